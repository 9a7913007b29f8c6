import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { shortSize } from "../../engine/tree/short-text.ts";

export interface ChartLine {
  readonly name: string;
  /** Name of a CSS variable. */
  readonly color: string;
}

export type ChartData = [number[], ...(number | null)[][]];

interface ChartProps {
  readonly title: string;
  readonly lines: readonly ChartLine[];
  readonly unit: "bytes" | "bytes/s" | "share";
  readonly data: ChartData;
  /** Seconds shown. */
  readonly range: number;
}

const HEIGHT = 150;
/** Distances between lines of bytes. */
const POWERS = Array.from({ length: 44 }, (_, index) => 2 ** index);

/** A chart over time, with the last, lowest, mean and highest values as text. */
export function Chart({ title, lines, unit, data, range }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsFor(element, lines, unit), data, element);
    };
    draw();
    const colors = matchMedia("(prefers-color-scheme: dark)");
    colors.addEventListener("change", draw);
    const sizes = new ResizeObserver(() => plot.current?.setSize({ width: widthOf(element), height: HEIGHT }));
    sizes.observe(element);
    return () => {
      colors.removeEventListener("change", draw);
      sizes.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, []);
  useEffect(() => {
    const now = data[0].at(-1) ?? Date.now() / 1000;
    plot.current?.setData(data, false);
    plot.current?.setScale("x", { min: now - range, max: now });
  }, [data, range]);
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <div
        ref={place}
        role="img"
        aria-label={`${title} over the last ${range / 60} minutes; the table has its values`}
      />
      <table class="facts">
        <thead>
          <tr>
            <th scope="col">
              <span class="hidden">line</span>
            </th>
            {["now", "least", "mean", "most"].map((name) => (
              <th key={name} scope="col" class="number">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {lines.map(({ name, color }, index) => (
            <tr key={name}>
              <th scope="row">
                <span class="swatch" style={{ background: `var(${color})` }} />
                {name}
              </th>
              {factsOf(data[index + 1] ?? []).map((value, which) => (
                <td key={which} class="number">
                  {valueText(value, unit)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}

/** Returns the last value, the least, the mean and the most. */
function factsOf(values: readonly (number | null)[]): readonly (number | undefined)[] {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return [undefined, undefined, undefined, undefined];
  let [least, most, sum] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (const value of known) {
    least = Math.min(least, value);
    most = Math.max(most, value);
    sum += value;
  }
  return [known.at(-1), least, sum / known.length, most];
}

function valueText(value: number | undefined, unit: ChartProps["unit"]): string {
  if (value === undefined) return "-";
  if (unit === "share") return `${(value * 100).toFixed(1)} %`;
  return `${shortSize(value)}${unit === "bytes/s" ? "/s" : ""}`;
}

/** Returns the value that a CSS variable has here: a canvas knows neither variables nor light-dark(). */
function colorOf(element: HTMLElement, variable: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${variable})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function widthOf(element: HTMLElement): number {
  return Math.max(120, element.clientWidth);
}

function optionsFor(element: HTMLElement, lines: readonly ChartLine[], unit: ChartProps["unit"]): uPlot.Options {
  const color = (name: string) => colorOf(element, name);
  const axis = { stroke: color("--quiet"), font: "11px system-ui, sans-serif", ticks: { show: false } };
  const grid = { stroke: color("--line"), width: 1 };
  const values = (_: uPlot, splits: number[]) => splits.map((value) => valueText(value, unit).replace(".0 %", " %"));
  const time = (_: uPlot, splits: number[]) =>
    splits.map((value) => new Date(value * 1000).toLocaleTimeString(undefined, { hour12: false }));
  return {
    width: widthOf(element),
    height: HEIGHT,
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    scales: {
      x: { time: true },
      y: { range: (_, __, most) => [0, Math.max(unit === "share" ? 0.05 : 1024, most * 1.1)] },
    },
    axes: [
      { ...axis, grid: { show: false }, values: time, space: 70, size: 24 },
      { ...axis, grid, values, size: 54, space: 22, ...(unit === "share" ? {} : { incrs: POWERS }) },
    ],
    series: [
      {},
      ...lines.map((line) => ({ label: line.name, stroke: color(line.color), width: 1.5, points: { show: false } })),
    ],
  };
}
