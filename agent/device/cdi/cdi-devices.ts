import { setTimeout as sleep } from "node:timers/promises";
import { AgentError } from "../../kernel/error.ts";
import type { CdiHook, CdiMount } from "./cdi-file.ts";
import { annotatedDevices, type CdiName, visibleDevices, withoutDoubles } from "./cdi-name.ts";
import { type Choice, chooseEdits } from "./choose-edits.ts";
import { type FilledNode, fillNode } from "./fill-node.ts";
import { type KnownFiles, readCdiFiles } from "./read-cdi-files.ts";

/** Interval between two looks at the files, ms. Programs in the guest write them after a device has appeared. */
const LOOK_MS = 250;
const POD_SANDBOX = { key: "io.katacontainers.pkg.oci.container_type", value: "pod_sandbox" };

/** All edits for a container's requested devices, each with the device's name. */
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
  /** Files in later directories take precedence. */
  readonly directories?: readonly string[];
  /** How long to wait for files and nodes, ms. */
  readonly timeoutMs?: number;
  /** Also honours VISIBLE_CDI_DEVICES in the environment. */
  readonly visible?: boolean;
}

/** Finds the devices that a container requests by Container Device Interface name. Files in the guest define them. */
export class CdiDevices {
  readonly #directories: readonly string[];
  readonly #timeoutMs: number;
  readonly #visible: boolean;

  constructor({ directories = ["/etc/cdi", "/var/run/cdi"], timeoutMs = 100_000, visible = false }: CdiOptions = {}) {
    this.#directories = directories;
    this.#timeoutMs = timeoutMs;
    this.#visible = visible;
  }

  /**
   * Undefined if the container requests no devices; the pod's first container never does. Throws for an invalid name.
   */
  requested(container: {
    readonly annotations: Readonly<Record<string, string>>;
    readonly env: readonly string[];
  }): readonly CdiName[] | undefined {
    const { annotations, env } = container;
    if (annotations[POD_SANDBOX.key] === POD_SANDBOX.value) return undefined;
    const names = [...annotatedDevices(annotations), ...(this.#visible ? visibleDevices(env) : [])];
    return names.length === 0 ? undefined : withoutDoubles(names);
  }

  /** Waits until files define all devices and the device nodes exist. */
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

  /** Returns all edits, or a line that says what is missing. */
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
