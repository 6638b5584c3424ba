// The page that the rendering opens: one board, laid out on Grafana's grid, with what Prometheus answers.

import { type InterpolateFunction, ThemeContext, createTheme, dateTime, dateTimeFormat } from '@grafana/data';
import { GlobalStyles, PanelChrome } from '@grafana/ui';
import { Component, type ReactNode, useEffect } from 'react';
import { createRoot } from 'react-dom/client';

import type { Board, Panel } from './board';
import { type Drawing, Visualisation, isEmpty, prepare } from './panels';
import { frames } from './queries';
import { type Choice, type Surroundings, replace } from './variables';

interface Request {
  board: Board;
  choice: Choice;
  from: number;
  to: number;
  scrapeIntervalSeconds: number;
  theme: 'dark' | 'light';
}

export interface Finding {
  id: number;
  title: string;
  type: string;
  queries: number;
  problem?: string;
}

// Grafana's grid: a cell is 30 pixels high with 8 between; the page leaves 16 on each side.
const CELL = 30;
const GAP = 8;
const MARGIN = 16;

class Guard extends Component<{ finding: Finding; children: ReactNode }, { failed: boolean }> {
  state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  componentDidCatch(error: Error) {
    this.props.finding.problem = `drawing failed: ${error.message}`;
  }

  render() {
    return this.state.failed ? <div>failed</div> : this.props.children;
  }
}

async function ready(panel: Panel, width: number, finding: Finding, around: Surroundings, theme: ReturnType<typeof createTheme>): Promise<Drawing | undefined> {
  const points = panel.maxDataPoints ?? Math.round(width);
  const replaceVariables: InterpolateFunction = (text, scoped) => {
    // Links of cells name the cell's value and the chosen time, which only a click gives; the rest must be known.
    const known = text.replace(/\$\{__(value|data|field|series)[^}]*\}|\$\{__url_time_range\}|\$\{datasource:queryparam\}/g, '');
    return scoped && known === '' ? text : replace(known, around, points, false);
  };
  try {
    const targets = panel.targets ?? [];
    const answers = await Promise.all(targets.map((target) => frames(target, targets.length, points, around)));
    const drawing = await prepare(panel, answers.flat(), around, theme, replaceVariables);
    const silent = targets.filter((_, index) => answers[index].length === 0).map(({ refId }) => refId);
    if (isEmpty(drawing)) {
      finding.problem = 'No data';
    } else if (silent.length) {
      finding.problem = `no data from query ${silent.join(', ')}`;
    }
    return drawing;
  } catch (error) {
    finding.problem = String(error);
    return undefined;
  }
}

function Page({ request, drawn, theme }: { request: Request; drawn: Array<{ panel: Panel; finding: Finding; drawing?: Drawing }>; theme: ReturnType<typeof createTheme> }) {
  const { board, choice, from, to } = request;
  const column = (window.innerWidth - 2 * MARGIN + GAP) / 24;
  const height = Math.max(...board.panels.map(({ gridPos }) => gridPos.y + gridPos.h)) * (CELL + GAP);
  useEffect(() => {
    // Two frames after the last panel is laid out and the fonts are there, the canvases are painted.
    const painted = () => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => ((window as any).boardIsDrawn = true), 0)));
    document.fonts.ready.then(painted);
  }, []);
  const chosen = board.templating.list.filter(({ hide, type }) => hide !== 2 && type !== 'datasource');
  return (
    <div style={{ background: theme.colors.background.canvas, padding: MARGIN, boxSizing: 'border-box' }}>
      <div style={{ display: 'flex', gap: 12, alignItems: 'center', marginBottom: 12, whiteSpace: 'nowrap', color: theme.colors.text.secondary }}>
        <strong style={{ color: theme.colors.text.primary, fontSize: 16, marginRight: 12 }}>{board.title}</strong>
        {chosen.map((variable) => (
          <span key={variable.name} style={{ border: `1px solid ${theme.colors.border.medium}`, padding: '2px 8px', borderRadius: 2 }}>
            {variable.label}: <span style={{ color: theme.colors.text.link }}>{(choice[variable.name] ?? [variable.current?.text].flat()).join(' + ')}</span>
          </span>
        ))}
        <span style={{ marginLeft: 'auto' }}>
          {dateTimeFormat(from, { timeZone: 'utc' })} to {dateTimeFormat(to, { timeZone: 'utc', format: 'HH:mm:ss' })} UTC
        </span>
      </div>
      <div style={{ position: 'relative', height }}>
        {drawn.map(({ panel, finding, drawing }) => {
          const { x, y, w, h } = panel.gridPos;
          const box = { width: column * w - GAP, height: h * (CELL + GAP) - GAP };
          const place = { position: 'absolute' as const, left: x * column, top: y * (CELL + GAP), ...box };
          if (panel.type === 'row') {
            return (
              <div key={panel.id} style={{ ...place, fontWeight: 500, paddingTop: 6, color: theme.colors.text.primary }}>
                {panel.title}
              </div>
            );
          }
          return (
            <div key={panel.id} style={place} data-panel={panel.id}>
              <PanelChrome title={panel.title} description={panel.description} {...box} statusMessage={finding.problem}>
                {(width: number, height: number) => {
                  if (!drawing) {
                    return <div>{finding.problem}</div>;
                  }
                  return isEmpty(drawing) ? (
                    <div style={{ display: 'grid', placeItems: 'center', width, height }}>{panel.fieldConfig.defaults.noValue ?? 'No data'}</div>
                  ) : (
                    <Guard finding={finding}>
                      <Visualisation {...drawing} width={width} height={height} />
                    </Guard>
                  );
                }}
              </PanelChrome>
            </div>
          );
        })}
      </div>
    </div>
  );
}

async function draw() {
  const request: Request = await (await fetch('/request.json')).json();
  const { board, choice, from, to, scrapeIntervalSeconds } = request;
  const theme = createTheme({ colors: { mode: request.theme } });
  const range = { from: dateTime(from), to: dateTime(to), raw: { from: dateTime(from), to: dateTime(to) } };
  const around: Surroundings = { board, choice, range, scrapeIntervalSeconds };
  const column = (window.innerWidth - 2 * MARGIN + GAP) / 24;
  const drawn = await Promise.all(
    board.panels.map(async (panel) => {
      const finding: Finding = { id: panel.id, title: panel.title, type: panel.type, queries: panel.targets?.length ?? 0 };
      const drawing = panel.type === 'row' ? undefined : await ready(panel, column * panel.gridPos.w, finding, around, theme);
      return { panel, finding, drawing };
    })
  );
  (window as any).findings = drawn.map(({ finding }) => finding).filter(({ type }) => type !== 'row');
  createRoot(document.getElementById('board')!).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <Page request={request} drawn={drawn} theme={theme} />
    </ThemeContext.Provider>
  );
}

draw().catch((error) => {
  // An exception outside of all panels: the driver reads it from the console and fails.
  console.error(error);
  (window as any).boardIsDrawn = true;
});
