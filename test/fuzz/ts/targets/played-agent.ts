import { testSpec } from "../../../../agent/container/testing/test-spec.ts";
import { AgentError } from "../../../../agent/kernel/error.ts";
import { Lock } from "../../../../agent/kernel/wait/lock.ts";
import { constantPolicy } from "../../../../agent/service/policy/constant-policy.ts";
import { policyInput } from "../../../../agent/service/policy/policy-input.ts";
import type { Agent } from "../../../../agent/service/rpc.ts";
import { checkEntropy, checkResumed } from "../../../../agent/service/warm-start/check-resumed.ts";
import { CreationGate } from "../../../../agent/service/warm-start/creation-gate.ts";
import { namesBelow, SHARED_ROOT } from "../../../../agent/storage/shared-path.ts";
import type { guestd } from "../../../../proto/gen/messages.js";
import { promise } from "../target.ts";

/** Returns an agent whose parts refuse every request, so that a call is decoded and converted but changes nothing. */
export function playedAgent(): Agent {
  const text = (path: string) => {
    throw new AgentError("not-found", `${path} is a stand-in`);
  };
  const files = refusing({ readText: text, mounts: () => "", exists: () => false, list: () => [] });
  const parts: Partial<Record<keyof Agent, unknown>> = {
    sandbox: refusing({
      oomEvents: refusing(),
      find: (id: string) =>
        id === "c"
          ? refusing({ id, has: () => false, spec: testSpec(), init: { pid: 0, status: { code: 0 } } })
          : undefined,
    }),
    kernel: { sys: refusing(), files, contained: refusing() },
    network: { files, run: refuse, lock: new Lock(), deviceAt: async () => refuse() },
    policy: {
      check: (_call: string, name: string, request: unknown) => checkInput(policyInput(name, request), request),
      set: (policy: string) => constantPolicy(policy).ask("CreateContainerRequest", () => ""),
    },
    memAgent: refusing(),
    warmStart: {
      gate: new CreationGate(() => undefined),
      quiesce: async () => refuse(),
      resume: async (request: guestd.v1.ResumedRequest) => refuse(checkEntropy(checkResumed(request))),
    },
    version: "0.0.0",
    initDaemon: true,
    defaultSeccomp: true,
    streams: undefined,
    readText: text,
    exists: () => false,
    list: () => [],
    copyFile: ({ path }: { readonly path: string }) => refuse(namesBelow(SHARED_ROOT, path)),
    warn: () => undefined,
    scrape: async () => "",
    cores: async () => refusing(),
    prepareUpgrade: async () => refuse(),
    restart: () => undefined,
    running: () => ({ bundle: "", generation: 1 }),
    stop: () => undefined,
  };
  return parts as unknown as Agent;
}

/** Checks that a policy sees every annotation that the agent acts on. */
function checkInput(text: string, request: unknown): void {
  const [seen, asked] = [JSON.parse(text) as Annotated, request as Annotated];
  const [has = 0, wants = 0] = [seen, asked].map(({ OCI }) => Object.keys(OCI?.Annotations ?? {}).length);
  promise(has === wants, `the policy sees ${has} of ${wants} annotations`);
}

interface Annotated {
  readonly OCI?: { readonly Annotations?: object } | null;
}

function refuse(..._: unknown[]): never {
  throw new AgentError("unavailable", "this is a stand-in");
}

function refusing(known: Readonly<Record<string, unknown>> = {}): object {
  return new Proxy(known, {
    get: (_, name) => (typeof name === "string" && Object.hasOwn(known, name) ? known[name] : refuse),
    ownKeys: () => Object.keys(known),
  });
}
