// What Grafana does with `$name` before it sends a query, as far as the boards use it.

import { rangeUtil, type TimeRange } from '@grafana/data';

import type { Board } from './board';

/** Values chosen at the top: `$__all`, or the values. */
export type Choice = Record<string, string[]>;

export interface Surroundings {
  board: Board;
  choice: Choice;
  range: TimeRange;
  scrapeIntervalSeconds: number;
}

const seconds = (milliseconds: number) => Math.round(milliseconds / 1000);

/** The step of a query that may give `points` values over the range. */
export function step(points: number, { range, scrapeIntervalSeconds }: Surroundings): number {
  return rangeUtil.calculateInterval(range, points, `${scrapeIntervalSeconds}s`).intervalMs;
}

function escapeRegularExpression(value: string): string {
  return value.replace(/[\\^$*+?.()|[\]{}]/g, '\\\\$&');
}

function chosen(name: string, { board, choice }: Surroundings, forQuery: boolean): string | undefined {
  const variable = board.templating.list.find((candidate) => candidate.name === name);
  if (!variable) {
    return undefined;
  }
  const values = choice[name] ?? [variable.current?.value ?? variable.query].flat().map(String);
  if (values.includes('$__all')) {
    return variable.allValue ?? '';
  }
  if (!forQuery || !variable.multi) {
    return values.join(',');
  }
  const escaped = values.map(escapeRegularExpression);
  return escaped.length === 1 ? escaped[0] : `(${escaped.join('|')})`;
}

/** Replaces variables; throws on one that neither the board nor Grafana knows. */
export function replace(text: string, around: Surroundings, points: number, forQuery = true): string {
  const interval = step(points, around);
  const range = around.range.to.valueOf() - around.range.from.valueOf();
  const rateInterval = Math.max(seconds(interval) + around.scrapeIntervalSeconds, 4 * around.scrapeIntervalSeconds);
  const builtIn: Record<string, string> = {
    __interval: `${seconds(interval)}s`,
    __rate_interval: `${rateInterval}s`,
    __range: `${seconds(range)}s`,
    __range_s: `${seconds(range)}`,
    '__from:date:seconds': `${seconds(around.range.from.valueOf())}`,
  };
  return text.replace(/\$\{([\w:]+)\}|\$([A-Za-z_]\w*)/g, (whole, braced, plain) => {
    const name = braced ?? plain;
    const value = builtIn[name] ?? chosen(name, around, forQuery);
    if (value === undefined) {
      throw new Error(`${whole} is no variable of the board ${around.board.uid}, nor one of Grafana that it knows`);
    }
    return value;
  });
}
