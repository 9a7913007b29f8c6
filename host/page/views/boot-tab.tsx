import type { Boot, BootsAnswer } from "../../serve/protocol/requests.ts";
import { Loading } from "../parts/loading.tsx";
import { useJson } from "../parts/use-json.ts";
import { Wide } from "../parts/wide.tsx";

/** Boots shown beside the guest's own. */
const SHOWN = 12;
const STEP_COLORS = 6;

/** Waterfalls of the guest's boot and of earlier ones, on one scale. */
export function BootTab({ guest }: { readonly guest: string }) {
  const { loaded } = useJson<BootsAnswer>("/api/boots");
  return (
    <Loading loaded={loaded.value} what="boots">
      {({ boots }) => <Boots boots={chosen(boots, guest)} guest={guest} />}
    </Loading>
  );
}

/** Returns the guest's last boot, then the others, the latest first. */
function chosen(boots: readonly Boot[], guest: string): readonly Boot[] {
  const own = boots.find((boot) => boot.guest === guest);
  const others = boots.filter((boot) => boot !== own);
  return [...(own === undefined ? [] : [own]), ...others].slice(0, SHOWN);
}

function Boots({ boots, guest }: { readonly boots: readonly Boot[]; readonly guest: string }) {
  const names = [...new Set(boots.flatMap(({ steps }) => steps.map(({ name }) => name)))];
  const longest = Math.max(1, ...boots.map(totalOf));
  if (boots.length === 0) return <p class="quiet">No boot is on record.</p>;
  return (
    <Wide label="boots">
      <table class="boots">
        <caption>
          Boots on one scale, this guest's first. Times are from the machine's start to the agent's first answer.
        </caption>
        <thead>
          <tr>
            <th scope="col">Guest</th>
            <th scope="col">Booted</th>
            {names.map((name, index) => (
              <th key={name} scope="col" class="number">
                {index < names.length - 1 && <span class={`swatch step-${index % STEP_COLORS}`} />}
                {name}
              </th>
            ))}
            <th scope="col">0 to {timeText(longest)}</th>
          </tr>
        </thead>
        <tbody>
          {boots.map((boot) => (
            <tr key={`${boot.guest} ${boot.bootedAt}`} class={boot.guest === guest ? "own" : undefined}>
              <th scope="row">{boot.guest}</th>
              <td title={boot.why}>
                {new Date(boot.bootedAt).toLocaleString(undefined, { hour12: false })}
                <span class="quiet"> {describe(boot)}</span>
              </td>
              {names.map((name) => (
                <td key={name} class="number">
                  {stepText(boot, name)}
                </td>
              ))}
              <td class="waterfall">
                <Waterfall boot={boot} longest={longest} names={names} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  );
}

interface WaterfallProps {
  readonly boot: Boot;
  readonly longest: number;
  readonly names: readonly string[];
}

/** Bars of the steps, each where it began. The columns beside it have the numbers. */
function Waterfall({ boot: { steps }, longest, names }: WaterfallProps) {
  return (
    <div class="steps" aria-hidden="true">
      {steps.slice(0, -1).map(({ name, ms }, index) => {
        const end = steps[index + 1]?.ms ?? ms;
        const [left, width] = [(ms / longest) * 100, ((end - ms) / longest) * 100];
        return (
          <span
            key={name}
            class={`step-${names.indexOf(name) % STEP_COLORS}`}
            style={{ left: `${left}%`, width: `${width}%`, top: `${(index / (steps.length - 1)) * 100}%` }}
            title={`${name}: ${timeText(end - ms)}`}
          />
        );
      })}
    </div>
  );
}

function totalOf({ steps }: Boot): number {
  return steps.at(-1)?.ms ?? 0;
}

/** Returns the duration of a step; of the last one, the time when it was reached. */
function stepText({ steps }: Boot, name: string): string {
  const at = steps.findIndex((step) => step.name === name);
  const step = steps[at];
  if (step === undefined) return "-";
  const next = steps[at + 1];
  return next === undefined ? `at ${timeText(step.ms)}` : timeText(next.ms - step.ms);
}

function describe({ accelerator, isClone, isRunning }: Boot): string {
  return [accelerator, ...(isClone ? ["clone"] : []), isRunning ? "runs" : "ended"].join(", ");
}

function timeText(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
