import { setTimeout as sleep } from "node:timers/promises";
import { AgentError } from "../../kernel/error.ts";
import type { CdiHook, CdiMount } from "./cdi-file.ts";
import { annotatedDevices, type CdiName, visibleDevices, withoutDoubles } from "./cdi-name.ts";
import { type Choice, chooseEdits } from "./choose-edits.ts";
import { type FilledNode, fillNode } from "./fill-node.ts";
import { type KnownFiles, readCdiFiles } from "./read-cdi-files.ts";

/** How often the files are looked at again, ms: they are made by programs of the guest, when a device has come. */
const LOOK_MS = 250;
const POD_SANDBOX = { key: "io.katacontainers.pkg.oci.container_type", value: "pod_sandbox" };

/** What the devices that a container asks for change of it, each with the name of the device. */
export interface FoundEdits {
  readonly env: readonly string[];
  readonly nodes: readonly (FilledNode & From)[];
  readonly mounts: readonly (CdiMount & From)[];
  readonly hooks: readonly (CdiHook & From)[];
  readonly gids: readonly number[];
}

interface From {
  readonly from: string;
}

export interface CdiOptions {
  /** Those of a later one count before those of an earlier one. */
  readonly directories?: readonly string[];
  /** How long files and nodes are waited for, ms. */
  readonly timeoutMs?: number;
  /** VISIBLE_CDI_DEVICES of the environment counts too. */
  readonly visible?: boolean;
}

/** Devices that a container asks for by their names of the Container Device Interface; files of the guest say what they are. */
export class CdiDevices {
  readonly #directories: readonly string[];
  readonly #timeoutMs: number;
  readonly #visible: boolean;

  constructor({ directories = ["/etc/cdi", "/var/run/cdi"], timeoutMs = 100_000, visible = false }: CdiOptions = {}) {
    this.#directories = directories;
    this.#timeoutMs = timeoutMs;
    this.#visible = visible;
  }

  /** Undefined for a container that asks for none, as the pod's first one counts. Throws for what can't be a name. */
  asked(container: {
    readonly annotations: Readonly<Record<string, string>>;
    readonly env: readonly string[];
  }): readonly CdiName[] | undefined {
    const { annotations, env } = container;
    if (annotations[POD_SANDBOX.key] === POD_SANDBOX.value) return undefined;
    const names = [...annotatedDevices(annotations), ...(this.#visible ? visibleDevices(env) : [])];
    return names.length === 0 ? undefined : withoutDoubles(names);
  }

  /** Waits until the files have all of them, and their nodes are there. */
  async find(names: readonly CdiName[], signal?: AbortSignal): Promise<FoundEdits> {
    const end = performance.now() + this.#timeoutMs;
    const known: KnownFiles = new Map();
    for (;;) {
      signal?.throwIfAborted();
      const found = this.#collect(chooseEdits(names, await readCdiFiles(this.#directories, known), this.#directories));
      if (typeof found !== "string") return found;
      const left = end - performance.now();
      if (left <= 0) throw new AgentError("internal", `${found}; waited for ${this.#timeoutMs} ms`);
      await sleep(Math.min(LOOK_MS, left), undefined, signal && { signal });
    }
  }

  /** A line that says what is not there yet. */
  #collect(choice: Choice): FoundEdits | string {
    if ("missing" in choice) return choice.missing;
    const all = choice.edits;
    const nodes: FoundEdits["nodes"][number][] = [];
    for (const { from, edits } of all) {
      for (const node of edits.nodes) {
        const filled = fillNode(node);
        if (typeof filled === "string") return `${from}: ${filled}`;
        nodes.push({ ...filled, from });
      }
    }
    return {
      nodes,
      env: all.flatMap(({ edits }) => edits.env),
      mounts: all.flatMap(({ from, edits }) => edits.mounts.map((mount) => ({ ...mount, from }))),
      hooks: all.flatMap(({ from, edits }) => edits.hooks.map((hook) => ({ ...hook, from }))),
      gids: all.flatMap(({ edits }) => edits.gids),
    };
  }
}
