import { useComputed, useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { Chart, type ChartLine } from "../parts/chart.tsx";
import { historyOf, isGone, samples } from "../state/guests.ts";
import type { ValueName } from "../state/usage-history.ts";

const RANGES: readonly (readonly [string, number])[] = [
  ["1 min", 60],
  ["5 min", 300],
  ["15 min", 900],
  ["1 h", 3600],
];

interface UsageChart {
  readonly title: string;
  readonly unit: "bytes" | "bytes/s" | "share";
  readonly values: readonly ValueName[];
  readonly lines: readonly ChartLine[];
}

const lines = (...names: readonly string[]): readonly ChartLine[] =>
  names.map((name, index) => ({ name, color: `--chart-${index + 1}` }));

const CHARTS: readonly UsageChart[] = [
  { title: "Processor, of one", unit: "share", values: ["cpu"], lines: lines("used") },
  { title: "Memory", unit: "bytes", values: ["memory"], lines: lines("used") },
  {
    ...{ title: "Pressure: time in which tasks waited", unit: "share" },
    values: ["cpuPressure", "memoryPressure", "ioPressure"],
    lines: lines("processor", "memory", "disks"),
  },
  { title: "Disks", unit: "bytes/s", values: ["read", "written"], lines: lines("read", "written") },
  { title: "Network", unit: "bytes/s", values: ["received", "sent"], lines: lines("received", "sent") },
  {
    ...{ title: "Stdio", unit: "bytes/s" },
    values: ["input", "output"],
    lines: lines("stdin", "stdout and stderr"),
  },
];

/** Charts of the usage of a container, or of a guest, since the page was opened. */
export function UsageTab({ guest, container }: { readonly guest: string; readonly container?: string }) {
  const range = useSignal(300);
  const nothing = useComputed(() => isGone(guest, container));
  if (nothing.value) return null;
  return (
    <>
      <fieldset class="buttons">
        <legend class="hidden">Range</legend>
        {RANGES.map(([text, seconds]) => (
          <button
            key={text}
            type="button"
            aria-pressed={range.value === seconds}
            onClick={() => (range.value = seconds)}
          >
            {text}
          </button>
        ))}
        <span class="quiet">since this page was opened, a sample each second</span>
      </fieldset>
      <div class="charts">
        {CHARTS.map((chart) => (
          <UsageChartOf key={chart.title} chart={chart} guest={guest} container={container} range={range.value} />
        ))}
      </div>
    </>
  );
}

interface UsageChartProps {
  readonly chart: UsageChart;
  readonly guest: string;
  readonly container: string | undefined;
  readonly range: number;
}

function UsageChartOf({ chart, guest, container, range }: UsageChartProps) {
  const count = samples.value;
  const data = useMemo(
    () => historyOf(guest, container).read(chart.values, Date.now() / 1000 - range),
    [chart, guest, container, range, count],
  );
  return <Chart title={chart.title} lines={chart.lines} unit={chart.unit} data={data} range={range} />;
}
