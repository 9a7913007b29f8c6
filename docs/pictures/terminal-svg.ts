/** A line of a recorded terminal, and when it appears, in seconds from the beginning. */
export interface RecordedLine {
  readonly at: number;
  readonly text: string;
  readonly kind: "command" | "output";
}

const COLUMNS = 100;
const CHARACTER = 8.43;
const LINE = 20;
const MARGIN = 18;

/**
 * Returns an SVG in which the lines appear one after the other, and scroll if they are more than `height`. Viewers that
 * prefer less motion see the last ones at once. Lines of more than 100 characters are wrapped.
 */
export function terminalSvg(
  lines: readonly RecordedLine[],
  title: string,
  options: { readonly height?: number } = {},
): string {
  const rows = lines.flatMap((line) => wrap(line));
  const shown = Math.min(rows.length, options.height ?? rows.length);
  const [width, height] = [Math.ceil(COLUMNS * CHARACTER) + 2 * MARGIN, shown * LINE + 2 * MARGIN];
  const texts = rows.map(({ at, text, kind }, row) => {
    const y = MARGIN + row * LINE + 14;
    return `<text class="${kind}" x="${MARGIN}" y="${y}" style="animation-delay:${at.toFixed(2)}s">${escapeXml(text)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escapeXml(title)}</title>
<style>
text { font: 14px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre; opacity: 0; animation: appear 1ms forwards }
.output { fill: #e6edf3 }
.command { fill: #7ee787 }
@keyframes appear { to { opacity: 1 } }
@media (prefers-reduced-motion: reduce) { text { opacity: 1; animation: none } }
${scrolling(rows, shown)}
</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<clipPath id="shown"><rect y="${MARGIN}" width="${width}" height="${shown * LINE}"/></clipPath>
<g clip-path="url(#shown)"><g class="rows">
${texts.join("\n")}
</g></g>
</svg>
`;
}

/** Returns styles that move all rows up whenever one appears below the last that is shown. */
function scrolling(rows: readonly RecordedLine[], shown: number): string {
  const end = rows.at(-1)?.at ?? 0;
  if (rows.length === shown || end === 0) return "";
  const moved = (count: number) => `{ transform: translateY(${-count * LINE}px) }`;
  const steps = new Map(rows.slice(shown).map(({ at }, index) => [((at / end) * 100).toFixed(3), moved(index + 1)]));
  const frames = Array.from(steps, ([percent, style]) => `${percent}% ${style}`).join(" ");
  return `.rows { animation: scroll ${end.toFixed(2)}s step-end forwards }
@keyframes scroll { ${frames} }
@media (prefers-reduced-motion: reduce) { .rows { animation: none; transform: translateY(${-(rows.length - shown) * LINE}px) } }`;
}

function wrap(line: RecordedLine): RecordedLine[] {
  const count = Math.max(1, Math.ceil(line.text.length / COLUMNS));
  return Array.from({ length: count }, (_, part) => ({
    ...line,
    text: line.text.slice(part * COLUMNS, (part + 1) * COLUMNS),
  }));
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
