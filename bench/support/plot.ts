// A plot of two panels as SVG: how many resources are up to date, and what is resident, over time.

import type { Sample } from './burst.ts';

/** What one line of each panel is of. */
export interface Curve {
  readonly name: string;
  readonly samples: readonly Sample[];
}

const WIDTH = 760;
const PANEL = { left: 64, width: 560, height: 180 };
const TOP = 40;
const GAP = 70;
const STYLE = `
  text { font: 13px -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328; }
  .page { fill: #ffffff; } .axis { stroke: #59636e; } .grid { stroke: #d1d9e0; }
  .line { fill: none; stroke-width: 2; }
  .c0 { stroke: #59636e; } .c1 { stroke: #0969da; } .c2 { stroke: #bc4c00; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .page { fill: #0d1117; } .axis { stroke: #9198a1; } .grid { stroke: #3d444d; }
    .c0 { stroke: #9198a1; } .c1 { stroke: #4493f8; } .c2 { stroke: #db6d28; }
  }`;

/**
 * Draws up to three curves.
 *
 * @param size how many resources there are
 */
export function plot(title: string, size: number, curves: readonly Curve[]): string {
  const all = curves.flatMap(({ samples }) => samples);
  const seconds = niceEnd(Math.max(...all.map((sample) => sample.seconds)));
  const mebibytes = niceEnd(Math.max(...all.map((sample) => sample.resident)));
  const second = TOP + PANEL.height + GAP;
  const height = second + PANEL.height + 50;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}">
<style>${STYLE}</style>
<rect class="page" width="${WIDTH}" height="${height}"/>
<text x="${PANEL.left}" y="22" font-weight="600">${title}</text>
${panel(TOP, 'up to date', seconds, size, curves, (sample) => sample.ready)}
${panel(second, 'resident, MiB', seconds, mebibytes, curves, (sample) => sample.resident)}
<text x="${PANEL.left + PANEL.width}" y="${height - 12}" text-anchor="end">seconds since the first apply</text>
</svg>
`;
}

function panel(
  top: number,
  label: string,
  seconds: number,
  most: number,
  curves: readonly Curve[],
  measureOf: (sample: Sample) => number,
): string {
  const x = (value: number): string => (PANEL.left + (value / seconds) * PANEL.width).toFixed(1);
  const y = (value: number): string => (top + PANEL.height - (value / most) * PANEL.height).toFixed(1);
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const right = PANEL.left + PANEL.width;
  return [
    `<text x="${PANEL.left}" y="${top - 8}">${label}</text>`,
    ...ticks.map(
      (part) =>
        `<line class="grid" x1="${PANEL.left}" x2="${right}" y1="${y(part * most)}" y2="${y(part * most)}"/>` +
        `<text x="${PANEL.left - 8}" y="${Number(y(part * most)) + 4}" text-anchor="end">${Math.round(part * most)}</text>` +
        `<text x="${x(part * seconds)}" y="${top + PANEL.height + 18}" text-anchor="middle">${Math.round(part * seconds)}</text>`,
    ),
    `<line class="axis" x1="${PANEL.left}" x2="${right}" y1="${y(0)}" y2="${y(0)}"/>`,
    ...curves.map(({ name, samples }, index) => {
      const points = thinned(samples)
        .map((sample) => `${x(sample.seconds)},${y(measureOf(sample))}`)
        .join(' ');
      const legend = top + 14 + index * 20;
      return (
        `<polyline class="line c${index}" points="${points}"/>` +
        `<line class="line c${index}" x1="${right + 16}" x2="${right + 36}" y1="${legend}" y2="${legend}"/>` +
        `<text x="${right + 42}" y="${legend + 4}">${name}</text>`
      );
    }),
  ].join('\n');
}

/** About two hundred of them, the last among them. */
function thinned(samples: readonly Sample[]): readonly Sample[] {
  const every = Math.ceil(samples.length / 200);
  return samples.filter((_, index) => (samples.length - 1 - index) % every === 0);
}

/** The next of 1, 2, 3, 4, 5, 6, 8, 10 times a power of ten. */
function niceEnd(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(value));
  return unit * ([1, 2, 3, 4, 5, 6, 8, 10].find((step) => step * unit >= value) ?? 10);
}
