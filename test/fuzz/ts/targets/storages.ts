import { AgentError } from "../../../../agent/kernel/error.ts";
import { guestPath } from "../../../../agent/kernel/guest-path.ts";
import { parsePciPath } from "../../../../agent/kernel/pci-path.ts";
import { toStorage } from "../../../../agent/service/to-storage.ts";
import { foldLayers } from "../../../../agent/storage/fold-layers.ts";
import { hugePagesOf } from "../../../../agent/storage/huge-pages.ts";
import { METADATA, pullOptions } from "../../../../agent/storage/image/pull-options.ts";
import { parseStorageOptions } from "../../../../agent/storage/mount-flags.ts";
import { parseLayer } from "../../../../agent/storage/parse-layer.ts";
import { placeStorage } from "../../../../agent/storage/place-storage.ts";
import { codec, DecodeError } from "../../../../proto/codec.ts";
import { grpc } from "../../../../proto/gen/messages.js";
import { type FuzzTarget, promise, refuses } from "../target.ts";

const storage = codec("grpc.Storage", grpc.Storage);
const VERITY = [
  "X-kata.dmverity-enabled=true",
  `X-kata.dmverity.roothash=${"ab".repeat(32)}`,
  "X-kata.dmverity.hashoffset=4096",
  "X-kata.dmverity.salt=-",
];

export const storages: FuzzTarget = {
  name: "storages",
  promise: "a storage with any words is refused with one line, or has layers, sizes and paths within their bounds",
  seeds: () =>
    [
      {
        driver: "blk",
        source: "02/03",
        fstype: "erofs",
        mount_point: "/run/x",
        options: ["X-kata.overlay-lower", ...VERITY],
      },
      {
        driver: "blk",
        source: "02",
        fstype: "ext4",
        mount_point: "/run/x",
        options: [
          "X-kata.overlay-upper",
          "X-kata.mkfs=true",
          "X-kata.mkfs.uuid=00000000-0000-0000-0000-000000000000",
          "X-kata.mkdir.path={{ mount 0 }}/upper:0755:1:1",
        ],
      },
      {
        driver: "ephemeral",
        fstype: "hugetlbfs",
        mount_point: "/run/h",
        options: ["pagesize=2M,size=64M"],
        fs_group: { group_id: 5 },
      },
      {
        driver: "image_guest_pull",
        source: "busybox",
        mount_point: "/run/i",
        driver_options: [`${METADATA}={"metadata":{"io.kubernetes.cri.container-type":"sandbox"}}`],
        options: ["layout=/run/l", "plain-http"],
      },
      {
        driver: "virtio-fs",
        source: "kataShared",
        fstype: "virtiofs",
        mount_point: "/run/kata-containers/shared/containers/",
        options: ["nodev", "rshared", "dax"],
      },
    ].map((one) => storage.encode(one)),
  words: [
    "X-kata.",
    "=true",
    "overlay-lower",
    "dmverity.blocksize=",
    "partition-number=",
    "gpt-partitioned",
    "mkfs.fs=",
    "pagesize=",
    "size=",
    "rprivate",
    "{{ mount 0 }}",
  ],
  run(input) {
    const decoded = attempt(() => toStorage(storage.decode(input)));
    if (decoded === undefined) return;
    const layer = attempt(() => parseLayer(decoded));
    for (const { names, mode } of layer?.directories ?? [])
      promise(!names.includes("..") && mode <= 0o7777, "a directory is below its layer");
    if (layer?.partition !== undefined)
      promise(layer.partition >= 1 && layer.partition <= 128, "a partition has a number");
    if (layer?.verity !== undefined) promise(/^[0-9a-f]+$/i.test(layer.verity.rootHash), "a hash is hexadecimal");
    const pages = attempt(() => hugePagesOf(decoded.options));
    if (pages !== undefined) promise(pages.size % pages.pageSize === 0, "a size is in whole pages");
    const words = attempt(() => parseStorageOptions(decoded.options));
    promise(
      (words?.data.length ?? 0) <= 4095 && words?.flags === (words && words.flags | 0),
      "flags and data fit mount(2)",
    );
    const pull = attempt(() => pullOptions(decoded));
    if (pull?.layout !== undefined) promise(pull.layout.startsWith("/"), "a layout is a path");
    attempt(() => foldLayers([decoded, { ...decoded, driver: "blk" }]));
    attempt(() => placeStorage(decoded, "c"));
    attempt(() => guestPath("path", decoded.source));
    attempt(() => parsePciPath(decoded.source));
  },
};

function attempt<Value>(work: () => Value): Value | undefined {
  try {
    return work();
  } catch (error) {
    refuses(error, AgentError, DecodeError);
    return undefined;
  }
}
