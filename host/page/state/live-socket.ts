import {
  binaryFrame,
  type ChannelMessage,
  type ClientFrame,
  type OpenChannel,
  parseBinaryFrame,
  type ServerFrame,
  type ToFrame,
} from "../../serve/protocol/socket.ts";

/** State of the connection to the server; "refused" without a session. */
export type LinkState = "connecting" | "open" | "waiting" | "refused";

type Without<T, Key extends PropertyKey> = T extends unknown ? Omit<T, Key> : never;

/** One side of a channel that survives its connection. */
export interface ChannelOptions<Message extends ChannelMessage> {
  /** Returns the frame that opens it; called again on each new connection. */
  request(): OpenChannel;
  message(message: Message): void;
  bytes?(bytes: Uint8Array): void;
  /** Called when the connection is lost: what was sent last may not have arrived. */
  lost?(): void;
  /** The channel has ended, and isn't opened again. */
  ended?(error: string | undefined): void;
}

export interface Channel {
  send(message: Without<ToFrame, "to">): void;
  sendBytes(bytes: Uint8Array): void;
  /** Idempotent. */
  close(): void;
}

interface OpenedChannel {
  /** On the present connection; undefined while there is none. */
  number: number | undefined;
  readonly options: ChannelOptions<ChannelMessage>;
}

const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 3000;

export interface LiveSocketOptions {
  readonly url: string;
  /** Called before each connection. */
  protocols?(): readonly string[];
  /** Asks whether a session exists, after a connection failed. */
  hasSession(): Promise<boolean>;
  changed(state: LinkState): void;
}

/** The WebSocket to the server. Connects again after each loss, and opens all channels again. */
export class LiveSocket {
  readonly #options: LiveSocketOptions;
  readonly #channels = new Set<OpenedChannel>();
  #byNumber = new Map<number, OpenedChannel>();
  #socket: WebSocket | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #last = 0;

  constructor(options: LiveSocketOptions) {
    this.#options = options;
  }

  /** Connects, for the life of the page. */
  start(): void {
    this.#options.changed("connecting");
    const socket = new WebSocket(this.#options.url, [...(this.#options.protocols?.() ?? [])]);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#socket = socket;
      this.#pauseMs = FIRST_PAUSE_MS;
      this.#options.changed("open");
      for (const channel of this.#channels) this.#open(channel);
    };
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (typeof data === "string") this.#receive(JSON.parse(data) as ServerFrame);
      else this.#receiveBytes(new Uint8Array(data));
    };
    socket.onclose = () => void this.#lost();
  }

  /** Opens a channel, now or once the socket is connected. */
  open<Message extends ChannelMessage>(options: ChannelOptions<Message>): Channel {
    const channel: OpenedChannel = { number: undefined, options: options as ChannelOptions<ChannelMessage> };
    this.#channels.add(channel);
    if (this.#socket !== undefined) this.#open(channel);
    return {
      send: (message) => {
        if (channel.number !== undefined) this.#send({ to: channel.number, ...message } as ClientFrame);
      },
      sendBytes: (bytes) => {
        if (channel.number !== undefined)
          this.#socket?.send(binaryFrame(channel.number, bytes) as Uint8Array<ArrayBuffer>);
      },
      close: () => {
        if (!this.#channels.delete(channel) || channel.number === undefined) return;
        this.#byNumber.delete(channel.number);
        this.#send({ close: channel.number });
        channel.number = undefined;
      },
    };
  }

  #open(channel: OpenedChannel): void {
    channel.number = ++this.#last;
    this.#byNumber.set(channel.number, channel);
    this.#send({ open: channel.number, ...channel.options.request() });
  }

  #send(frame: ClientFrame): void {
    this.#socket?.send(JSON.stringify(frame));
  }

  #receive(frame: ServerFrame): void {
    if ("on" in frame) {
      this.#byNumber.get(frame.on)?.options.message(frame);
      return;
    }
    const channel = this.#byNumber.get(frame.end);
    if (channel === undefined) return;
    this.#byNumber.delete(frame.end);
    this.#channels.delete(channel);
    channel.number = undefined;
    channel.options.ended?.(frame.error);
  }

  #receiveBytes(data: Uint8Array): void {
    const frame = parseBinaryFrame(data);
    if (frame !== undefined) this.#byNumber.get(frame.channel)?.options.bytes?.(frame.bytes);
  }

  async #lost(): Promise<void> {
    this.#socket = undefined;
    this.#byNumber = new Map();
    this.#last = 0;
    for (const channel of this.#channels) {
      if (channel.number !== undefined) channel.options.lost?.();
      channel.number = undefined;
    }
    this.#options.changed("waiting");
    // Without an answer, the server may be starting again.
    const hasSession = await this.#options.hasSession().catch(() => true);
    if (!hasSession) {
      this.#options.changed("refused");
      return;
    }
    setTimeout(() => this.start(), this.#pauseMs);
    this.#pauseMs = Math.min(MAX_PAUSE_MS, this.#pauseMs * 2);
  }
}
