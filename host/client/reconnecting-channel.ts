import type { CallOptions, RpcChannel } from "./rpc-channel.ts";
import { RpcError } from "./rpc-error.ts";

/**
 * A channel that outlives its connection, which is lost when its guest is saved: the first call after the loss opens
 * another. Calls that are open at the loss reject with UNAVAILABLE.
 */
export class ReconnectingChannel implements RpcChannel {
  readonly #open: () => Promise<RpcChannel>;
  readonly #ended = Promise.withResolvers<void>();
  /** Undefined after the connection was lost. */
  #channel: Promise<RpcChannel> | undefined;
  #isClosed = false;

  /** `open` opens another channel of the same agent. */
  constructor(first: RpcChannel, open: () => Promise<RpcChannel>) {
    this.#open = open;
    this.#use(first);
  }

  /** Resolves when this side has closed the channel. */
  get closed(): Promise<void> {
    return this.#ended.promise;
  }

  async call(service: string, method: string, payload: Uint8Array, options?: CallOptions): Promise<Uint8Array> {
    if (this.#isClosed) throw new RpcError("unavailable", `/${service}/${method}: closed`);
    this.#channel ??= this.#connect();
    return (await this.#channel).call(service, method, payload, options);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#channel?.then(
      (channel) => channel.close(),
      () => undefined,
    );
    this.#ended.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #connect(): Promise<RpcChannel> {
    try {
      const channel = await this.#open();
      this.#use(channel);
      return channel;
    } catch (error) {
      this.#channel = undefined;
      throw error instanceof RpcError ? error : new RpcError("unavailable", (error as Error).message, { cause: error });
    }
  }

  #use(channel: RpcChannel): void {
    this.#channel = Promise.resolve(channel);
    void channel.closed.then(() => {
      this.#channel = undefined;
    });
  }
}
