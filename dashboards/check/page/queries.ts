// Ask Prometheus what a panel asks, and give the answer the shape that Grafana's Prometheus data source gives it.

import { type DataFrame, type Field, FieldType, createDataFrame } from '@grafana/data';

import type { Target } from './board';
import { type Surroundings, replace, step } from './variables';

interface Series {
  metric: Record<string, string>;
  value?: [number, string];
  values?: Array<[number, string]>;
}

async function ask(path: string, parameters: Record<string, string>): Promise<any> {
  const answer = await fetch(`/prometheus/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const body = await answer.json();
  if (body.status !== 'success') {
    throw new Error(`Prometheus refused ${parameters.query}: ${body.error}`);
  }
  return body.data;
}

function seriesName(metric: Record<string, string>, legend: string | undefined): string {
  const { __name__: name = '', ...labels } = metric;
  if (legend && legend !== '__auto') {
    return legend.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => metric[label] ?? '').trim();
  }
  const listed = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return listed.length ? `${name}{${listed.join(', ')}}` : name || 'Value';
}

/** One frame a series, on the steps of the range; a step without a value is null, so that the graph shows the gap. */
function timeSeries(series: Series[], target: Target, times: number[], interval: number): DataFrame[] {
  return series.map(({ metric, value, values }) => {
    const points = new Map((values ?? [value!]).map(([time, text]) => [Math.round(time * 1000), Number(text)]));
    const at = target.instant ? [...points.keys()] : times;
    return createDataFrame({
      refId: target.refId,
      fields: [
        { name: 'Time', type: FieldType.time, config: { interval }, values: at },
        {
          name: 'Value',
          type: FieldType.number,
          config: { displayNameFromDS: seriesName(metric, target.legendFormat) },
          labels: metric,
          values: at.map((time) => points.get(time) ?? null),
        },
      ],
    });
  });
}

/** One frame a query: the labels as columns, then the value. */
function table(series: Series[], target: Target, queries: number): DataFrame[] {
  if (!series.length) {
    return [];
  }
  const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort();
  const column = (label: string): Partial<Field> => ({
    name: label,
    type: FieldType.string,
    config: { filterable: true },
    values: series.map(({ metric }) => metric[label] ?? ''),
  });
  return [
    createDataFrame({
      refId: target.refId,
      fields: [
        { name: 'Time', type: FieldType.time, values: series.map(({ value }) => value![0] * 1000) },
        ...labels.map(column),
        {
          name: queries > 1 ? `Value #${target.refId}` : 'Value',
          type: FieldType.number,
          values: series.map(({ value }) => Number(value![1])),
        },
      ] as Field[],
    }),
  ];
}

export async function frames(target: Target, queries: number, points: number, around: Surroundings): Promise<DataFrame[]> {
  const query = replace(target.expr, around, points);
  const to = around.range.to.valueOf();
  if (target.instant) {
    const { result } = await ask('query', { query, time: String(to / 1000) });
    return target.format === 'table' ? table(result, target, queries) : timeSeries(result, target, [], 0);
  }
  const interval = step(points, around);
  const start = Math.floor(around.range.from.valueOf() / interval) * interval;
  const end = Math.floor(to / interval) * interval;
  const { result } = await ask('query_range', {
    query,
    start: String(start / 1000),
    end: String(end / 1000),
    step: String(interval / 1000),
  });
  const times = Array.from({ length: (end - start) / interval + 1 }, (_, index) => start + index * interval);
  return timeSeries(result, target, times, interval);
}

/** Stretches of time in which an annotation's query had a value. */
export async function annotations(expr: string, around: Surroundings): Promise<Array<{ from: number; to: number; labels: Record<string, string> }>> {
  const interval = step(500, around);
  const { result } = await ask('query_range', {
    query: replace(expr, around, 500),
    start: String(Math.floor(around.range.from.valueOf() / interval) * (interval / 1000)),
    end: String(around.range.to.valueOf() / 1000),
    step: String(interval / 1000),
  });
  return result.map(({ metric, values }: Series) => ({
    from: values![0][0] * 1000,
    to: values![values!.length - 1][0] * 1000,
    labels: metric,
  }));
}
