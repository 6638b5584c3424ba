// The parts of a dashboard's JSON that the rendering reads.

import type { DataTransformerConfig, FieldConfigSource } from '@grafana/data';

export interface Target {
  refId: string;
  expr: string;
  instant?: boolean;
  format?: 'table' | 'time_series';
  legendFormat?: string;
}

export interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: Target[];
  fieldConfig: FieldConfigSource;
  // Options differ by the type of the panel; the schema check holds them against Grafana's own types.
  options: Record<string, any>;
  transformations?: DataTransformerConfig[];
  maxDataPoints?: number;
}

export interface Variable {
  name: string;
  type: string;
  label?: string;
  hide?: number;
  multi?: boolean;
  allValue?: string;
  query?: unknown;
  current?: { text?: unknown; value?: unknown };
}

export interface Board {
  uid: string;
  title: string;
  panels: Panel[];
  templating: { list: Variable[] };
  annotations: { list: Array<{ name: string; expr: string; iconColor: string; titleFormat: string }> };
}
