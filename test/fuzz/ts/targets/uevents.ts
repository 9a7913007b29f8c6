import { parseUevent } from "../../../../agent/device/uevent.ts";
import { type FuzzTarget, promise } from "../target.ts";

export const uevents: FuzzTarget = {
  name: "uevents",
  promise: "a message is an event whose path stays below /sys, or is ignored, and never throws",
  seeds: () => [
    "add@/devices/pci0000:00/0000:00:01.0/virtio0/block/vda\0ACTION=add\0DEVPATH=/devices/pci0000:00/0000:00:01.0/virtio0/block/vda\0SUBSYSTEM=block\0SEQNUM=1\0",
  ],
  words: ["ACTION=", "DEVPATH=", "SUBSYSTEM=", "\0", "/", "..", "@"],
  run(input) {
    const event = parseUevent(input);
    if (event === undefined) return;
    promise(/^(\/[^/\0]+)+$/.test(event.devpath), "the path begins with a slash and has no empty part");
    promise(!event.devpath.split("/").includes(".."), "the path has no ..");
    promise(!/[/\0]/.test(event.subsystem), "the subsystem is one name");
    const text = `${event.action}@${event.devpath}\0ACTION=${event.action}\0DEVPATH=${event.devpath}\0SUBSYSTEM=${event.subsystem}\0`;
    promise(
      parseUevent(Buffer.from(text))?.devpath === event.devpath,
      "the event is the same after encoding and decoding",
    );
  },
};
