import { join } from "node:path";
import protobuf from "protobufjs";
import { packageRoot } from "../../../lib/package-root.ts";

/** A call and the reflected types of its two messages. */
export interface CallType {
  readonly service: string;
  readonly method: string;
  readonly request: protobuf.Type;
  readonly response: protobuf.Type;
}

let loaded: protobuf.Root | undefined;

/** Returns the types of a call, such as "grpc.AgentService" and "CreateContainer". Undefined if it isn't in our .proto files. */
export function callType(service: string, method: string): CallType | undefined {
  const found = root().lookup(service, protobuf.Service);
  if (!(found instanceof protobuf.Service) || found.fullName !== `.${service}`) return undefined;
  const reflected = Object.hasOwn(found.methods, method) ? found.methods[method] : undefined;
  reflected?.resolve();
  const [request, response] = [reflected?.resolvedRequestType, reflected?.resolvedResponseType];
  return request == null || response == null ? undefined : { service, method, request, response };
}

/** Loads the services that hosts call, with the names of the .proto files. */
function root(): protobuf.Root {
  if (loaded !== undefined) return loaded;
  const made = new protobuf.Root();
  made.resolvePath = (_origin, target) =>
    target.startsWith("google/") ? target : join(packageRoot(), "proto", target);
  made.loadSync(["agent.proto", "health.proto", "guestd.proto"], { keepCase: true }).resolveAll();
  loaded = made;
  return made;
}
