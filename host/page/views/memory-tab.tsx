import { shortSize } from "../../engine/tree/short-text.ts";
import type { MemoryAnswer, MemoryPart } from "../../serve/protocol/requests.ts";
import { Loading } from "../parts/loading.tsx";
import { useJson } from "../parts/use-json.ts";
import { apiPath } from "../state/api.ts";

/** The guest's memory by kind: as its kernel counts it, and as its process takes it from the host. */
export function MemoryTab({ guest }: { readonly guest: string }) {
  const { loaded, reload } = useJson<MemoryAnswer>(apiPath("guests", guest, "memory"));
  return (
    <>
      <p class="buttons">
        <button type="button" onClick={reload}>
          Read again
        </button>
      </p>
      <Loading loaded={loaded.value} what="the memory">
        {({ guest: inGuest, guestTotal, host, hostTotal, notes }) => (
          <div class="columns">
            {notes.map((note) => (
              <p key={note} class="error">
                {note}
              </p>
            ))}
            <Parts title="In the guest, by its kernel" parts={inGuest} total={guestTotal} />
            <Parts title="On the host, of the guest's process" parts={host} total={hostTotal} />
          </div>
        )}
      </Loading>
    </>
  );
}

interface PartsProps {
  readonly title: string;
  readonly parts: readonly MemoryPart[];
  readonly total: number | undefined;
}

function Parts({ title, parts, total }: PartsProps) {
  if (parts.length === 0) return null;
  const all = total ?? parts.reduce((sum, { bytes }) => sum + bytes, 0);
  const share = (bytes: number) => (all === 0 ? 0 : (bytes / all) * 100);
  return (
    <section>
      <h2>{title}</h2>
      <div class="stack" aria-hidden="true">
        {parts.map(({ kind, bytes }, index) => (
          <span key={kind} class={`step-${index % 6}`} style={{ width: `${share(bytes)}%` }} title={kind} />
        ))}
      </div>
      <table>
        <caption class="hidden">{title}</caption>
        <thead>
          <tr>
            <th scope="col">Kind</th>
            <th scope="col" class="number">
              Bytes
            </th>
            <th scope="col" class="number">
              Share
            </th>
          </tr>
        </thead>
        <tbody>
          {parts.map(({ kind, bytes }, index) => (
            <tr key={kind}>
              <th scope="row">
                <span class={`swatch step-${index % 6}`} />
                {kind}
              </th>
              <td class="number">{shortSize(bytes)}</td>
              <td class="number">{share(bytes).toFixed(1)} %</td>
            </tr>
          ))}
          <tr class="total">
            <th scope="row">all</th>
            <td class="number">{shortSize(all)}</td>
            <td class="number">100 %</td>
          </tr>
        </tbody>
      </table>
    </section>
  );
}
