import type { Duplex } from "node:stream";
import type { AuthContext, Connection, ParsedKey, ServerChannel } from "ssh2";
import ssh2 from "ssh2";
import { CliError } from "../cli-error.ts";
import { type ForwardPlace, serveForward, tcpPlace } from "./serve-forward.ts";
import { serveReverse } from "./serve-reverse.ts";
import { serveSession } from "./serve-session.ts";
import type { SshTarget } from "./ssh-target.ts";

const MAX_CHANNELS = 128;
/** ssh offers each of its keys in turn. */
const MAX_ATTEMPTS = 64;
const LOGIN_MS = 120_000;
/** Ciphers of Node's OpenSSL; that of OpenSSH's first choice would run in JavaScript. */
const CIPHERS = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr"] as const;

const NOT_LOGGED_IN =
  "ssh-proxy: the client left before it logged in; it needs a key that ssh-agent holds, or the lines of ssh-proxy --config";

export interface SshOptions {
  readonly hostKey: string;
  /** Public keys, one of which the client has to have. */
  readonly keys: readonly ParsedKey[];
  /** Ends the connection. */
  readonly signal: AbortSignal;
}

/**
 * Serves SSH over a stream until the client is gone and the processes of its sessions have ended. Rejects with CliError if
 * the client breaks the protocol or doesn't log in.
 */
export async function serveSsh(stream: Duplex, target: SshTarget, options: SshOptions): Promise<void> {
  const { hostKey, keys, signal } = options;
  const closing = new AbortController();
  const work = new Set<Promise<void>>();
  let failure: Error | undefined;
  let isLoggedIn = false;
  const ended = new Promise<void>((resolve) => {
    const end = (error?: Error) => {
      if (closing.signal.aborted) return;
      failure = error ?? (isLoggedIn || signal.aborted ? undefined : new CliError(NOT_LOGGED_IN));
      closing.abort();
      stream.destroy();
      resolve();
    };
    const server = new ssh2.Server(
      { hostKeys: [hostKey], ident: "guestctl", algorithms: { cipher: [...CIPHERS] } },
      (connection) => {
        const late = setTimeout(() => end(new CliError("ssh-proxy: the client didn't log in in time")), LOGIN_MS);
        connection.on("ready", () => {
          isLoggedIn = true;
          clearTimeout(late);
        });
        connection.on("error", (error: Error) => end(new CliError(`ssh-proxy: ${error.message}`, { cause: error })));
        connection.on("end", () => end()).on("close", () => end());
        closing.signal.addEventListener("abort", () => clearTimeout(late), { once: true });
        authenticate(connection, keys, end);
        serveChannels(connection, target, closing.signal, work);
      },
    );
    server.on("error", end);
    stream.once("close", () => end()).once("end", () => end());
    signal.addEventListener("abort", () => end(), { once: true });
    server.injectSocket(stream as Parameters<typeof server.injectSocket>[0]);
  });
  await ended;
  await Promise.allSettled(work);
  if (failure !== undefined) throw failure;
}

/** Accepts a client that has one of the keys, whatever user name it gives. */
function authenticate(connection: Connection, keys: readonly ParsedKey[], end: (error: Error) => void): void {
  let attempts = 0;
  connection.on("authentication", (context: AuthContext) => {
    if (++attempts > MAX_ATTEMPTS) return end(new CliError(`ssh-proxy: over ${MAX_ATTEMPTS} attempts to log in`));
    if (context.method !== "publickey") return context.reject(["publickey"]);
    const { data } = context.key;
    const key = keys.find((known) => known.getPublicSSH().equals(data));
    const { blob, signature, hashAlgo } = context;
    if (key === undefined) return context.reject(["publickey"]);
    // Without a signature the client asks whether the key would do.
    if (signature === undefined) return context.accept();
    if (blob !== undefined && key.verify(blob, signature, hashAlgo) === true) context.accept();
    else context.reject(["publickey"]);
  });
}

/** Serves the channels of one connection. */
function serveChannels(connection: Connection, target: SshTarget, closed: AbortSignal, all: Set<Promise<void>>): void {
  let channels = 0;
  const onWork = (work: Promise<void>) => {
    const done = work.catch(() => undefined).finally(() => all.delete(done));
    all.add(done);
  };
  /** Opens a channel unless there are too many. */
  const admit = <T extends { on(event: "close", listener: () => void): unknown }>(
    accept: () => T,
    reject: () => void,
  ) => {
    if (channels >= MAX_CHANNELS) return reject();
    const channel = accept();
    channels++;
    channel.on("close", () => channels--);
    return channel;
  };
  const forward = (accept: () => ServerChannel, reject: () => void, place: () => ForwardPlace) =>
    onWork(serveForward(() => admit(accept, reject) ?? undefined, reject, target, place, closed));

  connection.on("session", (accept, reject) => {
    const session = admit(accept, reject);
    if (session) serveSession(session, target, closed, onWork);
  });
  connection.on("tcpip", (accept, reject, { destIP, destPort }) => {
    forward(accept, reject, () => tcpPlace(destIP, destPort));
  });
  connection.on("openssh.streamlocal", (accept, reject, { socketPath }) => {
    forward(accept, reject, () => ({ path: socketPath }));
  });
  serveReverse(connection, target, closed, onWork);
}
