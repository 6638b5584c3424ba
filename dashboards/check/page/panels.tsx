// A panel's data with its field options applied, drawn with Grafana's components.

import {
  type DataFrame,
  type Field,
  FieldConfigOptionsRegistry,
  type FieldDisplay,
  FieldType,
  type GrafanaTheme2,
  type InterpolateFunction,
  VizOrientation,
  applyFieldOverrides,
  cacheFieldDisplayNames,
  dateTimeFormat,
  getDisplayValueAlignmentFactors,
  getFieldDisplayName,
  getFieldDisplayValues,
  reduceField,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from '@grafana/data';
import { BarGauge, BigValue, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { type ReactNode } from 'react';
import { firstValueFrom } from 'rxjs';

import type { Panel } from './board';
import type { Surroundings } from './variables';

standardTransformersRegistry.setInit(() =>
  [standardTransformers.mergeTransformer, standardTransformers.organizeFieldsTransformer, standardTransformers.filterFieldsByNameTransformer].map(
    (transformation) => ({ id: transformation.id, name: transformation.name, transformation: async () => transformation, editor: () => null, imageDark: '', imageLight: '' }) as any
  )
);

// Options of a field that all panels have; what a kind of panel adds to them is `custom.…`.
const STANDARD = ['unit', 'decimals', 'min', 'max', 'mappings', 'thresholds', 'color', 'links', 'noValue', 'displayName'];

function optionsRegistry({ fieldConfig }: Panel): FieldConfigOptionsRegistry {
  const overridden = fieldConfig.overrides.flatMap(({ properties }) => properties.map(({ id }) => id));
  const custom = Object.keys(fieldConfig.defaults.custom ?? {}).map((name) => `custom.${name}`);
  const unknown = overridden.filter((id) => !id.startsWith('custom.') && !STANDARD.includes(id));
  if (unknown.length) {
    throw new Error(`overrides set ${unknown.join(', ')}, which is no option of a field`);
  }
  return new FieldConfigOptionsRegistry(() =>
    [...new Set([...STANDARD, ...custom, ...overridden])].map(
      (id) =>
        ({
          id,
          path: id.replace(/^custom\./, ''),
          name: id,
          isCustom: id.startsWith('custom.'),
          override: () => null,
          editor: () => null,
          process: (value: unknown) => value,
          shouldApply: () => true,
        }) as any
    )
  );
}

export interface Drawing {
  panel: Panel;
  data: DataFrame[];
  around: Surroundings;
  theme: GrafanaTheme2;
  replaceVariables: InterpolateFunction;
}

export async function prepare(panel: Panel, frames: DataFrame[], around: Surroundings, theme: GrafanaTheme2, replaceVariables: InterpolateFunction): Promise<Drawing> {
  const transformed = panel.transformations?.length
    ? await firstValueFrom(transformDataFrame(panel.transformations, frames, { interpolate: (text: string) => text }))
    : frames;
  const data = applyFieldOverrides({
    data: transformed,
    fieldConfig: panel.fieldConfig,
    fieldConfigRegistry: optionsRegistry(panel),
    replaceVariables,
    theme,
    timeZone: 'utc',
  });
  cacheFieldDisplayNames(data);
  return { panel, data, around, theme, replaceVariables };
}

const isValue = (value: unknown) => value !== null && value !== undefined && !Number.isNaN(value);

/** Whether there is anything to see: a value that is neither missing nor no number. */
export function isEmpty({ data, panel }: Drawing): boolean {
  const shown = (field: Field) => (panel.type === 'table' ? true : field.type === FieldType.number);
  return !data.some((frame) => frame.fields.some((field) => shown(field) && field.values.some(isValue)));
}

function displayValues({ panel, data, theme, replaceVariables }: Drawing): FieldDisplay[] {
  return getFieldDisplayValues({
    fieldConfig: panel.fieldConfig,
    reduceOptions: panel.options.reduceOptions,
    replaceVariables,
    theme,
    data,
    sparkline: panel.options.graphMode !== 'none',
    timeZone: 'utc',
  });
}

function Stat(drawing: Drawing & { width: number; height: number }) {
  const { panel, width, height, theme } = drawing;
  return (
    <VizRepeater
      source={drawing.data}
      getValues={() => displayValues(drawing)}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderCounter={0}
      width={width}
      height={height}
      orientation={panel.options.orientation}
      autoGrid
      renderValue={({ value, width, height, count }) => (
        <BigValue
          value={value.display}
          count={count}
          width={width}
          height={height}
          theme={theme}
          colorMode={panel.options.colorMode}
          graphMode={panel.options.graphMode}
          justifyMode={panel.options.justifyMode}
          textMode={panel.options.textMode}
          text={panel.options.text}
        />
      )}
    />
  );
}

function Bars(drawing: Drawing & { width: number; height: number }) {
  const { panel, width, height, theme } = drawing;
  return (
    <VizRepeater
      source={drawing.data}
      getValues={() => displayValues(drawing)}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderCounter={0}
      width={width}
      height={height}
      orientation={VizOrientation.Horizontal}
      minVizHeight={panel.options.minVizHeight}
      maxVizHeight={panel.options.maxVizHeight}
      renderValue={({ value, width, height, alignmentFactors, orientation }) => (
        <BarGauge
          value={value.display}
          field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex!)}
          width={width}
          height={height}
          orientation={orientation}
          theme={theme}
          displayMode={panel.options.displayMode}
          valueDisplayMode={panel.options.valueMode}
          namePlacement={panel.options.namePlacement}
          showUnfilled={panel.options.showUnfilled}
          alignmentFactors={alignmentFactors}
        />
      )}
    />
  );
}

/** Kinds of numbers in a legend that is a table. */
function legendNumbers(panel: Panel, frames: DataFrame[]) {
  for (const field of frames.flatMap((frame) => frame.fields).filter(({ type }) => type === FieldType.number)) {
    const reduced = panel.options.legend.calcs.length ? reduceField({ field, reducers: panel.options.legend.calcs }) : {};
    field.state = { ...field.state, calcs: { ...field.state?.calcs, ...reduced } };
  }
}

function Graph({ panel, data, around, width, height }: Drawing & { width: number; height: number }) {
  legendNumbers(panel, data);
  return (
    <TimeSeries frames={data} timeRange={around.range} timeZone="utc" width={width} height={height} legend={panel.options.legend} options={panel.options} />
  );
}

function Table({ panel, data, around, width, height }: Drawing & { width: number; height: number }) {
  return (
    <TableNG
      data={data[0]}
      width={width}
      height={height}
      noHeader={!panel.options.showHeader}
      cellHeight={panel.options.cellHeight}
      sortBy={panel.options.sortBy}
      timeRange={around.range}
      fieldConfig={panel.fieldConfig}
      noValue={panel.fieldConfig.defaults.noValue}
      // All rows are drawn: the page is looked at, not scrolled.
      enableVirtualization={false}
    />
  );
}

/** Grafana's state timeline is not among its published components: drawn here, with the colours and texts of its field options. */
function Timeline({ data, around, theme, width, height }: Drawing & { width: number; height: number }) {
  const from = around.range.from.valueOf();
  const length = around.range.to.valueOf() - from;
  const labels = 170;
  const axis = 20;
  const row = (height - axis) / data.length;
  const x = (time: number) => labels + ((time - from) / length) * (width - labels);
  const ticks = Array.from({ length: 7 }, (_, index) => from + (length * index) / 6);
  return (
    <svg width={width} height={height} fontFamily={theme.typography.fontFamily} fontSize={12} fill={theme.colors.text.primary}>
      {data.map((frame, line) => {
        const [times, values] = [frame.fields[0], frame.fields[1]];
        const name = getFieldDisplayName(values, frame, data);
        const step = times.config.interval ?? 0;
        return (
          <g key={name} transform={`translate(0 ${line * row})`}>
            <text x={labels - 8} y={row / 2 + 4} textAnchor="end">
              {name}
            </text>
            {times.values.map((time: number, index: number) =>
              isValue(values.values[index]) ? (
                <rect key={time} x={x(time)} width={Math.max(1, x(time + step) - x(time)) + 0.5} y={row * 0.1} height={row * 0.8} fill={values.display!(values.values[index]).color}>
                  <title>{values.display!(values.values[index]).text}</title>
                </rect>
              ) : null
            )}
          </g>
        );
      })}
      {ticks.map((time, index) => (
        <text key={time} x={x(time)} y={height - 4} textAnchor={index === 0 ? 'start' : index === 6 ? 'end' : 'middle'} fill={theme.colors.text.secondary}>
          {dateTimeFormat(time, { timeZone: 'utc', format: 'HH:mm' })}
        </text>
      ))}
    </svg>
  );
}

const KINDS: Record<string, (props: Drawing & { width: number; height: number }) => ReactNode> = {
  stat: Stat,
  bargauge: Bars,
  timeseries: Graph,
  table: Table,
  'state-timeline': Timeline,
};

export function Visualisation(props: Drawing & { width: number; height: number }) {
  const Kind = KINDS[props.panel.type];
  if (!Kind) {
    throw new Error(`no drawing for a panel of type ${props.panel.type}`);
  }
  return <Kind {...props} />;
}
