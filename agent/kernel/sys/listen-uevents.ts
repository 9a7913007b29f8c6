import { SystemError } from "../error.ts";
import { type NativeAddon, nativeAddon } from "./native-addon.ts";
import type { RealSys } from "./sys.ts";
import { checked, EAGAIN } from "./sys-result.ts";

/** Larger than the kernel's limit, 2 KiB and the header. */
const MAX_MESSAGE = 8192;
/** Most messages taken in one turn of the event loop. */
const BATCH = 64;
const ENOBUFS = 105;

/**
 * Passes each uevent of the kernel to `onMessage`, or undefined where some were lost, until the returned function is called.
 * The bytes are valid during the call only. Throws SystemError; `onLost` gets the error that ends the messages.
 */
export function listenUevents(
  sys: Pick<RealSys, "watch" | "close">,
  onMessage: (message: Uint8Array | undefined) => void,
  onLost: (error: unknown) => void,
  addon: Pick<NativeAddon, "ueventSocket" | "receiveUevent"> = nativeAddon(),
): () => void {
  const fd = checked(addon.ueventSocket(), "socket", "for uevents");
  const buffer = new Uint8Array(MAX_MESSAGE);
  const receive = () => {
    for (let count = 0; count < BATCH; count++) {
      const got = addon.receiveUevent(fd, buffer);
      if (got === -EAGAIN) return;
      if (got > 0) onMessage(buffer.subarray(0, got));
      else if (got === -ENOBUFS) onMessage(undefined);
      else if (got < 0) throw new SystemError("recv of uevents on", -got, `fd ${fd}`);
    }
  };
  const lose = (error: unknown) => {
    sys.close(fd);
    onLost(error);
  };
  try {
    sys.watch(fd, receive, lose);
  } catch (error) {
    sys.close(fd);
    throw error;
  }
  return () => sys.close(fd);
}
