import type { Duplex } from "node:stream";

/** 'P' of "PRI * HTTP/2.0". As the first byte of ttRPC it would announce a body of over 1 GiB. */
const HTTP2_FIRST_BYTE = 0x50;

/**
 * Which protocol a new connection speaks, by its first byte; the byte stays in the stream. Undefined when the peer
 * closed without a byte. Waits as long as the peer is silent, at the price of two listeners.
 */
export function sniff(socket: Duplex): Promise<"grpc" | "ttrpc" | undefined> {
  return new Promise((resolve) => {
    const finish = (protocol: "grpc" | "ttrpc" | undefined): void => {
      socket.off("readable", onReadable);
      socket.off("close", onClose);
      resolve(protocol);
    };
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk !== null) socket.unshift(chunk);
      if (chunk === null) finish(undefined);
      else finish(chunk[0] === HTTP2_FIRST_BYTE ? "grpc" : "ttrpc");
    };
    const onClose = (): void => finish(undefined);
    socket.once("readable", onReadable);
    socket.once("close", onClose);
  });
}
