import { shortSize } from "../../engine/tree/short-text.ts";
import type { ActionAnswer, TemplateAction } from "../../serve/protocol/actions.ts";
import type { Template, TemplatesAnswer } from "../../serve/protocol/requests.ts";
import { ActionButton } from "../parts/action-button.tsx";
import { Heading } from "../parts/heading.tsx";
import { Loading } from "../parts/loading.tsx";
import { useJson } from "../parts/use-json.ts";
import { Wide } from "../parts/wide.tsx";
import { apiPath, postJson } from "../state/api.ts";
import { guests } from "../state/guests.ts";
import { routeHref } from "../state/route.ts";

/** Templates, with a button that starts a guest of each, and the guests that are clones. */
export function TemplatesView() {
  const { loaded, reload } = useJson<TemplatesAnswer>("/api/templates");
  const clones = (guests.value ?? []).filter(({ record }) => record?.isClone === true);
  return (
    <div class="view">
      <div class="bar">
        <Heading title="Templates and forks" />
        <div class="buttons">
          <button type="button" onClick={reload}>
            Read again
          </button>
        </div>
      </div>
      <Loading loaded={loaded.value} what="templates">
        {({ templates }) => <TemplatesTable templates={templates} />}
      </Loading>
      <h2>Clones that run</h2>
      {clones.length === 0 ? (
        <p class="quiet">No guest was started from a template or by a fork.</p>
      ) : (
        <ul>
          {clones.map(({ name, record }) => (
            <li key={name}>
              <a href={routeHref({ view: "guest", guest: name, tab: "usage" })}>{name}</a>{" "}
              <span class="quiet">since {dateText(record?.bootedAt)}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function TemplatesTable({ templates }: { readonly templates: readonly Template[] }) {
  if (templates.length === 0) {
    return (
      <p class="quiet">
        No templates. Create one: <code>guestctl template create NAME</code>
      </p>
    );
  }
  return (
    <Wide label="templates">
      <table>
        <caption class="hidden">Templates</caption>
        <thead>
          <tr>
            <th scope="col">Template</th>
            <th scope="col">Created</th>
            <th scope="col">Last used</th>
            <th scope="col" class="number">
              On the disk
            </th>
            <th scope="col" class="number">
              Memory
            </th>
            <th scope="col" class="number">
              Processors
            </th>
            <th scope="col">Containers</th>
            <th scope="col">Start</th>
          </tr>
        </thead>
        <tbody>
          {templates.map((template) => (
            <TemplateRow key={template.name} template={template} />
          ))}
        </tbody>
      </table>
    </Wide>
  );
}

function TemplateRow({ template }: { readonly template: Template }) {
  const { name, createdAt, usedAt, size, memoryMib, cpus, containers } = template;
  const start = async () => {
    const action: TemplateAction = { action: "start" };
    const answer = await postJson<ActionAnswer>(apiPath("templates", name, "actions"), action);
    return answer?.done ?? `started ${name}`;
  };
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>{createdAt === undefined ? "damaged" : dateText(createdAt)}</td>
      <td>{dateText(usedAt)}</td>
      <td class="number">{shortSize(size)}</td>
      <td class="number">{memoryMib === undefined ? "-" : `${memoryMib} MiB`}</td>
      <td class="number">{cpus ?? "-"}</td>
      <td>{containers.join(", ")}</td>
      <td>
        <ActionButton
          text={`Start ${name}`}
          disabled={createdAt === undefined ? "the template is damaged" : undefined}
          act={start}
        />
      </td>
    </tr>
  );
}

function dateText(time: string | undefined): string {
  return time === undefined ? "-" : new Date(time).toLocaleString(undefined, { hour12: false });
}
