import { services } from "../../proto/gen/services.js";
import type { AnyMethod } from "../../proto/method.ts";
import { AgentError } from "../kernel/error.ts";
import { ANSWER_ROOM, type Handler, type ServiceTable } from "./dispatch.ts";
import { rpcs } from "./gen/rpcs.ts";
import type { Agent, MethodName, Rpc } from "./rpc.ts";

/** Longest id, in characters, that appears in logs and spans. */
const MAX_ID = 256;

/** An Rpc with its message types erased. */
interface AnyRpc extends Pick<Rpc<MethodName>, "afterDeath" | "emptyIfDenied"> {
  handle(agent: Agent, request: never, call: Parameters<Handler>[1]): Promise<unknown>;
}

/** Builds the services as transport sees them: bytes in, bytes out. */
export function serviceTable(agent: Agent): ServiceTable {
  const table = new Map<string, Map<string, { readonly rpc: AnyRpc; readonly handler: Handler }>>();
  for (const [service, methods] of Object.entries(services)) {
    const entries = Object.entries(methods).map(([name, method]) => {
      const rpc = rpcs[name as MethodName] as unknown as AnyRpc;
      return [name, { rpc, handler: bind(agent, method as unknown as AnyMethod, rpc) }] as const;
    });
    table.set(service, new Map(entries));
  }
  const afterDeath = (service: string, method: string) => table.get(service)?.get(method)?.rpc.afterDeath;
  return {
    find(service, method) {
      const methods = table.get(service);
      return methods === undefined ? "no-service" : (methods.get(method)?.handler ?? "no-method");
    },
    mayRepeat: (service, method) => afterDeath(service, method) === "repeat",
    mayGoOn: (service, method) => afterDeath(service, method) === "continue",
    *list() {
      for (const [service, methods] of table) for (const method of methods.keys()) yield { service, method };
    },
  };
}

function bind(agent: Agent, method: AnyMethod, rpc: AnyRpc): Handler {
  const name = method.path.replace(/^.*\//, "");
  const requestName = method.request.name.replace(/^.*\./, "");
  if (method.path.startsWith("/grpc.Health/")) {
    return async (payload, call) =>
      encode(method, await rpc.handle(agent, method.request.decode(payload) as never, call));
  }
  return async (payload, call) => {
    const request = method.request.decode(payload);
    const { container_id, exec_id } = request as { readonly container_id?: string; readonly exec_id?: string };
    call.container = loggedId(container_id);
    call.exec = loggedId(exec_id);
    const { policy } = agent;
    const { version } = policy;
    try {
      policy.check(name, requestName, request);
      const response = await rpc.handle(agent, request as never, call);
      // A read may have waited for long.
      if (rpc.emptyIfDenied && version !== policy.version) policy.check(name, requestName, request);
      return encode(method, response);
    } catch (error) {
      if (rpc.emptyIfDenied && isDenial(error)) return encode(method, {});
      throw error;
    }
  };
}

const loggedId = (id: string | undefined) => (id === undefined || id.length > MAX_ID ? undefined : id);

const encode = (method: AnyMethod, response: unknown): Uint8Array =>
  method.response.encodeAfter(ANSWER_ROOM, response as never);

const isDenial = (error: unknown) => error instanceof AgentError && error.kind === "permission-denied";
