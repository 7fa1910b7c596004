// node scripts/pictures.ts                draws docs/images: the two programs, and the demo's end from docs/images/demo.txt
// node scripts/pictures.ts --check FILE    fails when a line of docs/images/demo.txt is not in FILE, which the demo has printed
//
// Each picture is drawn for a light and for a dark page.

import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const FOLDER = new URL('../docs/images/', import.meta.url);

interface Theme {
  readonly name: 'light' | 'dark';
  readonly page: string;
  readonly ink: string;
  readonly faint: string;
  readonly box: string;
  readonly accent: string;
}

const THEMES: readonly Theme[] = [
  {
    name: 'light',
    page: '#ffffff',
    ink: '#1f2328',
    faint: '#59636e',
    box: '#f6f8fa',
    accent: '#0969da',
  },
  {
    name: 'dark',
    page: '#0d1117',
    ink: '#e6edf3',
    faint: '#9198a1',
    box: '#161b22',
    accent: '#4493f8',
  },
];

const SANS = "-apple-system, 'Segoe UI', Helvetica, Arial, sans-serif";
const MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace";

/** Writes all pictures into docs/images. */
export function drawPictures(): void {
  const demo = readFileSync(new URL('demo.txt', FOLDER), 'utf8').trimEnd().split('\n');
  for (const theme of THEMES) {
    writeFileSync(new URL(`programs-${theme.name}.svg`, FOLDER), programs(theme));
    writeFileSync(new URL(`demo-${theme.name}.svg`, FOLDER), terminal(theme, demo));
  }
}

/** The operator, the migrator, and what they share. */
function programs(theme: Theme): string {
  const box = (
    x: number,
    y: number,
    width: number,
    height: number,
    title: string,
    lines: readonly string[],
  ) =>
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="8" fill="${theme.box}" stroke="${theme.faint}"/>` +
    `<text x="${x + width / 2}" y="${y + 26}" text-anchor="middle" font-weight="600">${escaped(title)}</text>` +
    lines
      .map(
        (line, index) =>
          `<text x="${x + width / 2}" y="${y + 48 + 18 * index}" text-anchor="middle" font-size="12.5" fill="${theme.faint}">${escaped(line)}</text>`,
      )
      .join('');
  const arrow = (path: string, label: string, x: number, y: number, anchor = 'middle') =>
    `<path d="${path}" fill="none" stroke="${theme.accent}" stroke-width="1.6" marker-end="url(#head)"/>` +
    `<text x="${x}" y="${y}" text-anchor="${anchor}" font-size="12.5">${escaped(label)}</text>`;
  return svg(theme, 880, 350, [
    `<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="${theme.accent}"/></marker></defs>`,
    `<rect x="150" y="14" width="716" height="212" rx="10" fill="none" stroke="${theme.faint}" stroke-dasharray="5 5"/>`,
    `<text x="166" y="34" font-size="12.5" fill="${theme.faint}">Kubernetes</text>`,
    box(14, 84, 104, 74, 'You', ['kubectl, Git']),
    box(200, 84, 160, 74, 'GlanceSchema', ['spec.revision, status']),
    box(450, 84, 160, 74, 'Operator', ['knows no SQL']),
    box(690, 84, 160, 74, 'Migrator', ["a Job's pod,", 'knows no Kubernetes']),
    box(670, 270, 200, 62, 'Glance database', ['PostgreSQL, MariaDB, MySQL']),
    arrow('M118 121 H196', 'apply', 157, 112),
    arrow('M360 108 H446', 'watch', 403, 100),
    arrow('M450 138 H364', 'status', 407, 156),
    arrow('M610 108 H686', 'arguments', 648, 100),
    arrow('M690 138 H614', 'report', 652, 156),
    arrow('M770 158 V266', 'lock, detect, plan, migrate, verify, stamp', 760, 250, 'end'),
    `<text x="450" y="200" text-anchor="middle" font-size="12.5" fill="${theme.faint}">A lower revision is refused three times: by kubectl apply, by the operator, by the migrator</text>`,
  ]);
}

/** Lines of a terminal; command lines stand out. */
function terminal(theme: Theme, lines: readonly string[]): string {
  const width = 24 + 7.3 * Math.max(...lines.map((line) => line.length));
  const height = 30 + 19 * lines.length;
  return svg(theme, Math.ceil(width), height, [
    `<rect x="0.5" y="0.5" width="${Math.ceil(width) - 1}" height="${height - 1}" rx="8" fill="${theme.box}" stroke="${theme.faint}"/>`,
    ...lines.map(
      (line, index) =>
        `<text x="12" y="${28 + 19 * index}" font-family="${MONO}" font-size="12" style="white-space: pre" xml:space="preserve"${line.startsWith('$ ') ? ` font-weight="600" fill="${theme.accent}"` : ''}>${escaped(line)}</text>`,
    ),
  ]);
}

function svg(theme: Theme, width: number, height: number, parts: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="${SANS}" font-size="14" fill="${theme.ink}">
<rect width="${width}" height="${height}" fill="${theme.page}"/>
${parts.join('\n')}
</svg>
`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

/**
 * The lines of the picture that the demo did not print; ages and the ends of names differ from run
 * to run.
 */
function missingFrom(printed: string): readonly string[] {
  const plain = (line: string): string =>
    line
      .trim()
      .replace(/\b\d+(m|s)\b/g, 'AGE')
      .replace(/-[0-9a-f]{8}\b/g, '-HASH')
      .replace(/\s+/g, ' ');
  const found = new Set(printed.split('\n').map(plain));
  const wanted = readFileSync(new URL('demo.txt', FOLDER), 'utf8').split('\n').map(plain);
  return wanted.filter((line) => line !== '' && !found.has(line));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const file = process.argv[2] === '--check' ? process.argv[3] : undefined;
  if (file === undefined) {
    drawPictures();
  } else {
    const missing = missingFrom(readFileSync(file, 'utf8'));
    for (const line of missing)
      console.error(`docs/images/demo.txt has a line that the demo does not print: ${line}`);
    process.exitCode = missing.length === 0 ? 0 : 1;
  }
}
