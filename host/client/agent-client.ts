import type { Init } from "../../proto/codec.ts";
import { agentService, guest, health } from "../../proto/gen/services.js";
import type { AnyMethod, RequestOf, ResponseOf } from "../../proto/method.ts";
import { type DialOptions, dial } from "./dial.ts";
import { decodeResponse } from "./edge/answer.ts";
import { endsWithAgent } from "./ends-with-agent.ts";
import { GrpcClient } from "./grpc-client.ts";
import { ReconnectingChannel } from "./reconnecting-channel.ts";
import type { CallOptions, RpcChannel } from "./rpc-channel.ts";
import { RpcError } from "./rpc-error.ts";
import { currentTraceparent } from "./trace-context.ts";
import { TtrpcClient } from "./ttrpc-client.ts";

/** The methods of a service as functions, with lower-case initials. They throw RpcError. */
type ServiceClient<Service> = {
  readonly [Name in keyof Service & string as Uncapitalize<Name>]: (
    request: Init<RequestOf<Service[Name]>>,
    options?: CallOptions,
  ) => Promise<ResponseOf<Service[Name]>>;
};

/** An agent reached over one connection. Close it, or declare it with `await using`. */
export interface AgentClient extends AsyncDisposable {
  readonly agent: ServiceClient<typeof agentService>;
  readonly health: ServiceClient<typeof health>;
  /** guestd's own service; other agents answer UNIMPLEMENTED or INVALID_ARGUMENT. */
  readonly guest: ServiceClient<typeof guest>;
  /** Makes calls by service and method name. */
  readonly channel: RpcChannel;
  /** Resolves when either side has closed the connection. */
  readonly closed: Promise<void>;
  /** Closes the connection; open calls reject. */
  close(): Promise<void>;
}

export interface ConnectOptions extends DialOptions {
  /** Defaults to ttRPC, the only protocol of agents other than guestd. */
  readonly protocol?: "ttrpc" | "grpc";
  /** Connects to the address. Default: `dial`. */
  readonly dial?: typeof dial;
  /** True to open another connection for the first call after the connection was lost, with the same options. */
  readonly again?: boolean;
  /** Returns the channel to use instead, such as one that records calls. */
  readonly wrap?: (channel: RpcChannel) => RpcChannel;
}

/** Dials an address (see `dial`) and returns the agent's services. */
export async function connect(address: string, options: ConnectOptions = {}): Promise<AgentClient> {
  const { wrap = (given) => given, again } = options;
  const open = () => openChannel(address, options);
  const first = await open();
  return agentClient(wrap(again ? new ReconnectingChannel(first, open) : first));
}

async function openChannel(
  address: string,
  { dial: connect = dial, protocol, ...options }: ConnectOptions,
): Promise<RpcChannel> {
  const stream = await connect(address, options);
  return endsWithAgent(protocol === "grpc" ? new GrpcClient(stream) : new TtrpcClient(stream));
}

/** Returns a client whose calls go to the client of that moment, which stays its owner's. */
export function presentClient(present: () => AgentClient): AgentClient {
  return agentClient({
    call: (...call) => present().channel.call(...call),
    closed: present().closed,
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  });
}

/** Returns the client of a guest that is paused: each call fails. */
export function closedClient(): AgentClient {
  return agentClient({
    call: () => Promise.reject(new RpcError("unavailable", "the guest is paused")),
    closed: Promise.resolve(),
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  });
}

/** Returns the agent's services over a channel, which the client then owns. */
function agentClient(channel: RpcChannel): AgentClient {
  return {
    agent: serviceClient(channel, agentService),
    health: serviceClient(channel, health),
    guest: serviceClient(channel, guest),
    channel,
    closed: channel.closed,
    close: () => channel.close(),
    [Symbol.asyncDispose]: () => channel.close(),
  };
}

function serviceClient<Service extends Readonly<Record<string, AnyMethod>>>(
  channel: RpcChannel,
  service: Service,
): ServiceClient<Service> {
  const functions = Object.entries(service).map(([name, method]) => [
    `${name.slice(0, 1).toLowerCase()}${name.slice(1)}`,
    (request: unknown, options?: CallOptions) => invoke(channel, method, request, options),
  ]);
  return Object.fromEntries(functions) as ServiceClient<Service>;
}

/** Adds the running operation's trace context to a call's metadata, unless the caller gives one. */
function withTrace(options: CallOptions | undefined): CallOptions | undefined {
  const traceparent = currentTraceparent();
  return traceparent === undefined ? options : { ...options, metadata: { traceparent, ...options?.metadata } };
}

async function invoke(
  channel: RpcChannel,
  method: AnyMethod,
  request: unknown,
  options?: CallOptions,
): Promise<unknown> {
  const [, service = "", name = ""] = method.path.split("/");
  const answer = await channel.call(service, name, method.request.encode(request as never), withTrace(options));
  return decodeResponse(method, answer);
}
