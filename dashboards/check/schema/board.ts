// What a dashboard of this project may hold, in Grafana's own types. `npm run schema` makes a JSON schema of `Board`.
//
// Grafana's `Panel` leaves options, field options and queries open; here each kind of panel has those of its plugin, and
// nothing besides: a misspelt option is a mistake that Grafana would pass over in silence.

import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as statetimeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type * as raw from '@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen';

/** A query of the Prometheus data source, which is a plugin: its types are in no published package. */
interface Target {
  datasource: raw.DataSourceRef;
  refId: string;
  expr: string;
  instant: boolean;
  range: boolean;
  format: 'time_series' | 'table';
  legendFormat?: string;
}

/** An annotation of the Prometheus data source, likewise. */
interface Annotation extends Omit<raw.AnnotationQuery, 'target'> {
  expr: string;
  step: string;
  titleFormat: string;
  textFormat: string;
  tagKeys: string;
  useValueForTime: boolean;
}

interface FieldConfigSource<Custom> extends Omit<raw.FieldConfigSource, 'defaults'> {
  defaults: Omit<raw.FieldConfig, 'custom'> & { custom?: Partial<Custom> };
}

interface PanelOf<Type extends string, Options, Custom> extends Omit<raw.Panel, 'type' | 'options' | 'fieldConfig' | 'targets' | 'transformations'> {
  type: Type;
  options: Partial<Options>;
  fieldConfig: FieldConfigSource<Custom>;
  targets: Target[];
  transformations?: Array<Merge | Choose | Organise>;
}

interface Merge {
  id: 'merge';
  options: Record<string, never>;
}

interface Choose {
  id: 'filterFieldsByName';
  options: { include: { names: string[] } };
}

interface Organise {
  id: 'organize';
  options: {
    excludeByName: Record<string, boolean>;
    includeByName: Record<string, boolean>;
    indexByName: Record<string, number>;
    renameByName: Record<string, string>;
  };
}

/** Grafana 13 dropped the footer's options here and keeps reading those of the versions before. */
type TableOptions = table.Options & { footer?: { show: boolean; reducer: string[]; countRows?: boolean } };

type Panel =
  | PanelOf<'stat', stat.Options, Record<string, never>>
  | PanelOf<'timeseries', timeseries.Options, timeseries.FieldConfig>
  | PanelOf<'table', TableOptions, table.FieldConfig>
  | PanelOf<'bargauge', bargauge.Options, Record<string, never>>
  | PanelOf<'state-timeline', statetimeline.Options, statetimeline.FieldConfig>
  | Omit<raw.RowPanel, 'panels'> & { panels: [] };

export interface Board extends Omit<raw.Dashboard, 'panels' | 'annotations' | 'templating'> {
  uid: string;
  title: string;
  panels: Panel[];
  annotations: { list: Annotation[] };
  templating: { list: raw.VariableModel[] };
}
