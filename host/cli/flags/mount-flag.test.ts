import { expect, test } from "vitest";
import { mounts } from "./mount-flag.ts";

const volume = (mode: string) => ({ volume: { host: "/etc", guest: "/data", mode } });

test.each([
  ["type=bind,source=/etc,target=/data", volume("rw")],
  ["type=bind,src=/etc/,dst=/data/x/..,readonly", { volume: { host: "/etc", guest: "/data", mode: "ro" } }],
  ["type=bind,source=/etc,destination=/data,ro=true", volume("ro")],
  ["type=bind,source=/etc,target=/data,readonly=false", volume("rw")],
  ["type=volume,source=name,target=/data,ro", { volume: { name: "name", guest: "/data", mode: "ro" } }],
  ["type=tmpfs,target=/run", { tmpfs: { guest: "/run" } }],
  ["type=tmpfs,target=/run,tmpfs-size=16m", { tmpfs: { guest: "/run", size: 16 << 20 } }],
])("%s", (text, mount) => {
  expect(mounts(text, [{ tmpfs: { guest: "/first" } }])).toEqual([{ tmpfs: { guest: "/first" } }, mount]);
});

test.each([
  ["type=bind,source=/none,target=/data", "share /none: it is not a folder"],
  ["type=bind,target=/data", "Expected source=, a folder of the host or a volume's name."],
  ["type=bind,source=/etc,target=data", "Expected target=/PATH, an absolute path."],
  ["type=volume,source=../name,target=/data", "Without a slash it is a volume's name: 2 to 100 letters"],
  ["source=/etc,target=/data", "Expected type=bind, volume or tmpfs."],
  [
    "type=bind,source=/etc,target=/data,bind-propagation=shared",
    'Unknown field "bind-propagation"; the fields are type',
  ],
  ["type=bind,source=/etc,target=/data,readonly=maybe", "Expected readonly or ro."],
  ["type=bind,source=/etc,target=/data,tmpfs-size=1m", "tmpfs-size is for type=tmpfs."],
  ["type=tmpfs,source=/etc,target=/data", "A tmpfs has neither a source nor readonly."],
  ["type=tmpfs,target=/run,tmpfs-size=much", "Expected a size such as 256m or 1.5g."],
])("refuses %s", (text, message) => {
  expect(() => mounts(text)).toThrow(message);
});
