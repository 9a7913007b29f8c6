import type {
  ServerMethodDefinition,
  ServerUnaryCall,
  ServiceDefinition,
  sendUnaryData,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { Handler, ServiceTable } from "../service/dispatch.ts";

type Definition = ServerMethodDefinition<Buffer, Uint8Array>;
export type UnaryCall = ServerUnaryCall<Buffer, Uint8Array>;

/** Serves one call of grpc-js with a handler of the table. */
export type Serve = (
  handler: Handler,
  service: string,
  method: string,
  unary: UnaryCall,
  respond: sendUnaryData<Uint8Array>,
) => void;

/** A service as `Server.addService` takes it. */
interface GrpcService {
  readonly definitions: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
}

/** Returns the services of the table for grpc-js. */
export function grpcServices(table: ServiceTable, serve: Serve): GrpcService[] {
  const byService = Map.groupBy(table.list(), ({ service }) => service);
  return Array.from(byService, ([service, methods]) => {
    const definitions: Record<string, Definition> = {};
    const handlers: UntypedServiceImplementation = {};
    for (const { method } of methods) {
      const handler = table.find(service, method);
      if (typeof handler === "string") continue;
      definitions[method] = definition(`/${service}/${method}`);
      handlers[method] = (unary: UnaryCall, respond: sendUnaryData<Uint8Array>) =>
        serve(handler, service, method, unary, respond);
    }
    return { definitions: definitions as ServiceDefinition, handlers };
  });
}

/** Defines a method that passes bytes through: handlers encode and decode themselves. */
function definition(path: string): Definition {
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestDeserialize: (bytes) => bytes,
    responseSerialize: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  };
}
