import { connect, type Socket } from "node:net";

/** A unix socket's usual buffer holds less. */
const BUFFER_BYTES = 256 * 1024;

/**
 * Begins to connect a unix socket that reads into one buffer: each chunk of its "data" events is valid until the listener
 * returns, and as long as a listener keeps the socket paused. Allocating a buffer for each read, as Node does, takes more
 * time than the read. Everything that is read otherwise (`read`, iteration) is a copy.
 */
export function connectSingleBuffer(path: string): Socket {
  const socket: Socket = connect({
    path,
    onread: {
      buffer: Buffer.allocUnsafeSlow(BUFFER_BYTES),
      callback(length, buffer) {
        const chunk = Buffer.from(buffer.buffer, buffer.byteOffset, length);
        const isListening = socket.listenerCount("data") > 0 && socket.readableFlowing && socket.readableLength === 0;
        if (!isListening) return socket.push(Buffer.from(chunk));
        socket.emit("data", chunk);
        return true;
      },
    },
  });
  return socket;
}
