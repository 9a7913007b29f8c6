import type { PlanAnswer } from "../../serve/protocol/requests.ts";
import { Loading } from "../parts/loading.tsx";
import { useJson } from "../parts/use-json.ts";
import { Wide } from "../parts/wide.tsx";
import { apiPath } from "../state/api.ts";

interface PlanTabProps {
  readonly guest: string;
  readonly container: string;
}

/** Each operation that created the container, with its field of the spec and its duration. */
export function PlanTab({ guest, container }: PlanTabProps) {
  const path = `${apiPath("guests", guest, "plan")}?container=${encodeURIComponent(container)}`;
  const { loaded } = useJson<PlanAnswer>(path);
  return (
    <Loading loaded={loaded.value} what="the launch plan">
      {({ steps, note }) => {
        const longest = Math.max(1, ...steps.map(({ micros = 0 }) => micros));
        const isMeasured = steps.some(({ micros }) => micros !== undefined);
        return (
          <Wide label="launch plan">
            {note !== undefined && <p class="quiet">{note}</p>}
            <table class="plan">
              <caption class="hidden">Launch plan, step by step</caption>
              <thead>
                <tr>
                  <th scope="col" class="number">
                    Step
                  </th>
                  <th scope="col">Operation</th>
                  <th scope="col">Object</th>
                  <th scope="col">Field of the spec</th>
                  {isMeasured && (
                    <th scope="col" class="number">
                      Duration
                    </th>
                  )}
                </tr>
              </thead>
              <tbody>
                {steps.map(({ operation, object, reason, micros }, index) => (
                  <tr key={index}>
                    <td class="number">{index + 1}</td>
                    <th scope="row">{operation}</th>
                    <td class="code">{object}</td>
                    <td>{reason}</td>
                    {isMeasured && (
                      <td class="number" style={{ backgroundSize: `${((micros ?? 0) / longest) * 100}% 2px` }}>
                        {micros === undefined ? "-" : `${micros} µs`}
                      </td>
                    )}
                  </tr>
                ))}
              </tbody>
            </table>
          </Wide>
        );
      }}
    </Loading>
  );
}
