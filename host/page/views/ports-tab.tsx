import { useSignal } from "@preact/signals";
import { shortSize } from "../../engine/tree/short-text.ts";
import type { PortsAnswer } from "../../serve/protocol/requests.ts";
import { Loading } from "../parts/loading.tsx";
import { useJson } from "../parts/use-json.ts";
import { apiPath } from "../state/api.ts";
import { guestNamed } from "../state/guests.ts";

/** Forwarded connections that are open now, and the ports on which processes listen. */
export function PortsTab({ guest }: { readonly guest: string }) {
  const container = useSignal("");
  const tree = guestNamed(guest);
  const query = container.value === "" ? "" : `?container=${encodeURIComponent(container.value)}`;
  const { loaded, reload } = useJson<PortsAnswer>(`${apiPath("guests", guest, "ports")}${query}`);
  return (
    <div class="columns">
      <section>
        <h2>Forwarded connections</h2>
        <table>
          <caption class="hidden">Forwarded connections that the agent holds open</caption>
          <thead>
            <tr>
              <th scope="col">Connection</th>
              <th scope="col">State</th>
              <th scope="col" class="number">
                To the guest
              </th>
              <th scope="col" class="number">
                From the guest
              </th>
            </tr>
          </thead>
          <tbody>
            {tree?.forwards.map(({ id, sent, received }) => (
              <tr key={id}>
                <th scope="row">{id}</th>
                <td class={tree.link === "live" ? "good" : "bad"}>{tree.link === "live" ? "open" : tree.link}</td>
                <td class="number">{shortSize(sent)}/s</td>
                <td class="number">{shortSize(received)}/s</td>
              </tr>
            ))}
          </tbody>
        </table>
        {(tree?.forwards.length ?? 0) === 0 && (
          <p class="quiet">
            None is open. Forward a port: <code>guestctl forward CONTAINER 8080:80</code>
          </p>
        )}
      </section>
      <section>
        <h2>Listening ports</h2>
        <p class="buttons">
          <label>
            In{" "}
            <select value={container.value} onChange={({ currentTarget }) => (container.value = currentTarget.value)}>
              <option value="">the guest</option>
              {tree?.containers.map(({ id }) => (
                <option key={id} value={id}>
                  {id}
                </option>
              ))}
            </select>
          </label>
          <button type="button" onClick={reload}>
            Read again
          </button>
        </p>
        <Loading loaded={loaded.value} what="ports">
          {({ ports, isTruncated }) => (
            <>
              <table>
                <caption class="hidden">Ports on which processes listen</caption>
                <thead>
                  <tr>
                    <th scope="col">Protocol</th>
                    <th scope="col">Address</th>
                    <th scope="col" class="number">
                      Port
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {ports.map(({ protocol, address, port }) => (
                    <tr key={`${protocol} ${address} ${port}`}>
                      <td>{protocol}</td>
                      <td>{address}</td>
                      <td class="number">{port}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
              {ports.length === 0 && <p class="quiet">No process listens.</p>}
              {isTruncated && <p class="quiet">There are more.</p>}
            </>
          )}
        </Loading>
      </section>
    </div>
  );
}
