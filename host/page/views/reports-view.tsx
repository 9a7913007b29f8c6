import { useSignal } from "@preact/signals";
import type { CaseState, ReportAnswer, ReportHead, ReportsAnswer } from "../../serve/protocol/reports.ts";
import { Heading } from "../parts/heading.tsx";
import { Loading } from "../parts/loading.tsx";
import { useJson } from "../parts/use-json.ts";
import { Wide } from "../parts/wide.tsx";
import { apiPath } from "../state/api.ts";
import { routeHref } from "../state/route.ts";

const STATES: readonly CaseState[] = ["passed", "failed", "skipped", "unsupported", "disabled"];

/** Conformance reports, or one of them. */
export function ReportsView({ report }: { readonly report: string | undefined }) {
  return (
    <div class="view">
      <div class="bar">
        {report === undefined ? (
          <Heading title="Conformance reports" />
        ) : (
          <Heading title={report}>
            <a href={routeHref({ view: "reports" })}>reports</a> / {report}
          </Heading>
        )}
      </div>
      {report === undefined ? <Reports /> : <Report key={report} name={report} />}
    </div>
  );
}

function Reports() {
  const { loaded } = useJson<ReportsAnswer>("/api/reports");
  return (
    <Loading loaded={loaded.value} what="reports">
      {({ reports, note }) => (
        <Wide label="reports">
          {note !== undefined && <p class="quiet">{note}</p>}
          {reports.length > 0 && (
            <table>
              <caption class="hidden">Conformance reports, the latest first</caption>
              <thead>
                <tr>
                  <th scope="col">Report</th>
                  <th scope="col">Agent</th>
                  <th scope="col">Begun</th>
                  <th scope="col">Result</th>
                  {STATES.map((state) => (
                    <th key={state} scope="col" class="number">
                      {state}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {reports.map((head) => (
                  <ReportRow key={head.name} head={head} />
                ))}
              </tbody>
            </table>
          )}
        </Wide>
      )}
    </Loading>
  );
}

function ReportRow({ head }: { readonly head: ReportHead }) {
  const { name, agent, agentVersion, begun, isConformant, counts } = head;
  return (
    <tr>
      <th scope="row">
        <a href={routeHref({ view: "reports", report: name })}>{name}</a>
      </th>
      <td>
        {agent} {agentVersion}
      </td>
      <td>{new Date(begun).toLocaleString(undefined, { hour12: false })}</td>
      <td class={isConformant ? "good" : "bad"}>{isConformant ? "conformant" : "not conformant"}</td>
      {STATES.map((state) => (
        <td key={state} class="number">
          {counts[state] ?? 0}
        </td>
      ))}
    </tr>
  );
}

function Report({ name }: { readonly name: string }) {
  const { loaded } = useJson<ReportAnswer>(apiPath("reports", name));
  const state = useSignal<CaseState | "">("");
  const text = useSignal("");
  return (
    <Loading loaded={loaded.value} what="the report">
      {({ problems, cases, counts }) => {
        const wanted = text.value.toLowerCase();
        const shown = cases.filter(
          (each) =>
            (state.value === "" || each.state === state.value) &&
            `${each.group} ${each.name} ${each.reason ?? ""}`.toLowerCase().includes(wanted),
        );
        return (
          <Wide label="cases">
            {problems.map((problem) => (
              <p key={problem} class="error">
                {problem}
              </p>
            ))}
            <p class="buttons">
              <label>
                State{" "}
                <select
                  value={state.value}
                  onChange={({ currentTarget }) => (state.value = currentTarget.value as CaseState | "")}
                >
                  <option value="">all</option>
                  {STATES.map((each) => (
                    <option key={each} value={each}>
                      {each} ({counts[each] ?? 0})
                    </option>
                  ))}
                </select>
              </label>
              <label>
                Filter{" "}
                <input
                  type="search"
                  value={text.value}
                  onInput={({ currentTarget }) => (text.value = currentTarget.value)}
                />
              </label>
              <span role="status" class="quiet">
                {shown.length} of {cases.length} cases
              </span>
            </p>
            <table>
              <caption class="hidden">Cases</caption>
              <thead>
                <tr>
                  <th scope="col">Case</th>
                  <th scope="col">Group</th>
                  <th scope="col">Level</th>
                  <th scope="col">Protocol</th>
                  <th scope="col">State</th>
                  <th scope="col" class="number">
                    Duration
                  </th>
                </tr>
              </thead>
              <tbody>
                {shown.map((each) => (
                  <tr key={`${each.protocol} ${each.name}`}>
                    <th scope="row">{each.name}</th>
                    <td>{each.group}</td>
                    <td>{each.level}</td>
                    <td>{each.protocol}</td>
                    <td class={each.state === "passed" ? "good" : each.state === "failed" ? "bad" : "quiet"}>
                      {each.state}
                      {each.reason !== undefined && `: ${each.reason}`}
                    </td>
                    <td class="number">{each.ms.toFixed(0)} ms</td>
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
