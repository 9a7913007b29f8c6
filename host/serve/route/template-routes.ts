import { randomName } from "../../engine/guest/random-name.ts";
import { containersIn } from "../../engine/template/container-notes.ts";
import { type StoredTemplate, TemplateStore } from "../../engine/template/template-store.ts";
import { CheckedFields } from "../checked-fields.ts";
import { readJson } from "../http/read-json.ts";
import type { Route, RouteRequest } from "../http/routes.ts";
import type { ActionAnswer } from "../protocol/actions.ts";
import type { Template, TemplatesAnswer } from "../protocol/requests.ts";
import { checkedName, RequestFailure } from "../request-failure.ts";

/** Requests about templates. */
export const templateRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/api/templates",
    async handle(): Promise<TemplatesAnswer> {
      return { templates: (await new TemplateStore().list()).map(templateOf) };
    },
  },
  { method: "POST", path: "/api/templates/:template/actions", isWrite: true, handle: start },
];

async function start({ params: { template = "" }, request, context, signal }: RouteRequest): Promise<ActionAnswer> {
  const fields = new CheckedFields(await readJson(request));
  if (fields.text("action") !== "start") throw new RequestFailure(400, "action: expected start");
  await new TemplateStore().get(template);
  const name = checkedName(fields.optionalText("name") ?? randomName("guest"));
  await context.run(["boot", "--detach", "--template", template, "--name", name], signal);
  return { done: `started ${name} from template ${template}`, guests: [name] };
}

function templateOf({ name, manifest, size, usedAt }: StoredTemplate): Template {
  if (manifest === undefined) return { name, usedAt, size, containers: [] };
  const { createdAt, guest, machine, notes } = manifest;
  const containers = containersIn(notes).filter(({ container, exec }) => container === exec);
  return {
    name,
    usedAt,
    size,
    createdAt,
    guest,
    memoryMib: machine.memoryMib,
    cpus: machine.cpus,
    containers: containers.map(({ container }) => container),
  };
}
