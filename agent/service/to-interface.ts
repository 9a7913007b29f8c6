import type { types } from "../../proto/gen/messages.js";
import type { WantedInterface } from "../network/update-interface.ts";

export function toInterface(message: types.Interface): WantedInterface {
  return {
    name: message.name,
    hardwareAddress: message.hwAddr,
    addresses: message.IPAddresses,
    mtu: message.mtu,
    pciPath: message.devicePath,
    flags: message.raw_flags,
  };
}
