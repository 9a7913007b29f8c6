import { serveStreams } from "../../engine/attach/serve-streams.ts";
import { execSpec } from "../../engine/container/exec-spec.ts";
import { guestDiedError } from "../../engine/guest/guest-death.ts";
import { randomName } from "../../engine/guest/random-name.ts";
import { streamsPlace } from "../../engine/guest/streams-place.ts";
import type { ProcessRecord } from "../../engine/record/state-records.ts";
import type { StateStore } from "../../engine/record/state-store.ts";
import { containersIn } from "../../engine/template/container-notes.ts";
import { prepareClone } from "../../engine/template/prepare-clone.ts";
import { useTemplate } from "../../engine/template/use-template.ts";
import { CliError } from "../cli-error.ts";
import { guestConsole } from "../flags/guest-flags.ts";
import { processOptions } from "../flags/process-flags.ts";
import { checkCloneFlags } from "../flags/unused-flags.ts";
import { StatusLine } from "../output/status-line.ts";
import type { RunRequest, RunTurn } from "./run-once.ts";

/** A template and its only container. */
export interface CloneSource {
  readonly template: string;
  readonly container: ProcessRecord;
}

/** Returns the container of a template; undefined if it has none, so that the run creates one. */
export async function templateWithContainer(template: string): Promise<CloneSource | undefined> {
  const { TemplateStore } = await import("../../engine/template/template-store.ts");
  const { manifest } = await new TemplateStore().get(template);
  if (manifest === undefined) throw new CliError(`template ${template}: it is damaged; create it again`);
  const [container, other] = containersIn(manifest.notes).filter((each) => each.container === each.exec);
  if (other !== undefined) {
    throw new CliError(`run: template ${template} has several containers; use guestctl boot --template and exec`);
  }
  return container === undefined ? undefined : { template, container };
}

/** Starts a guest from a template, runs a command in its container, and powers the guest off. Returns the exit code. */
export async function runInClone(
  store: StateStore,
  { template: name, container: record }: CloneSource,
  { words, flags }: RunRequest,
  { id, interrupts }: RunTurn,
): Promise<number> {
  const { container } = record;
  checkCloneFlags(name, flags);
  using status = new StatusLine();
  status.show(`starting a guest from template ${name} …`);
  using used = await useTemplate(name, id);
  const { path: snapshot = "" } = used?.template ?? {};
  await using prepared = await interrupts.during(
    prepareClone(store, { name: id, snapshot, signal: interrupts.signal, ...guestConsole(flags) }),
  );
  used?.[Symbol.dispose](); // from now on the template can be removed
  status.clear();
  const { died } = prepared;
  const guest = store.guest(id);
  const target = { ...prepared.target, ...(guest && { guest }), container, record };
  const exec = randomName("x");
  const request = { container, exec, process: execSpec(target, words, processOptions(flags)) };
  const serving = serveStreams(streamsPlace(target), request, {
    ...{ name: `exec ${exec} in container ${container}`, interrupts, died, findDeath: () => undefined },
    stdin: flags.interactive ? "pass" : "end",
  });
  const code = await serving.catch((error: unknown) => {
    throw died?.aborted ? guestDiedError(died.reason, id) : error;
  });
  await prepared.end();
  return code;
}
