import { type CgroupWrite, refuseResource } from "./cgroup-write.ts";
import type { BlockIoSpec, ThrottleSpec } from "./resources-spec.ts";

/**
 * Returns the block I/O writes. Weights go to the BFQ scheduler if the kernel has it, otherwise to io.weight, as in
 * runc and crun.
 */
export function ioWrites(io: BlockIoSpec): CgroupWrite[] {
  const { weight = 0, weightDevice = [] } = io;
  return [
    ...(weight === 0 ? [] : [weightWrite("blockIO.weight", "", weight)]),
    ...weightDevice.map((one) => weightWrite("blockIO.weightDevice", `${one.major}:${one.minor} `, one.weight)),
    ...throttles("rbps", "ReadBps", io.throttleReadBpsDevice),
    ...throttles("wbps", "WriteBps", io.throttleWriteBpsDevice),
    ...throttles("riops", "ReadIOPS", io.throttleReadIOPSDevice),
    ...throttles("wiops", "WriteIOPS", io.throttleWriteIOPSDevice),
  ];
}

/** io.weight (1–10000) for a BFQ weight (10–1000). */
function ioWeight(weight: number): number {
  return 1 + Math.floor(((weight - 10) * 9999) / 990);
}

function weightWrite(field: string, device: string, weight: number): CgroupWrite {
  if (weight < 10 || weight > 1000) throw refuseResource(field, `${weight} is outside 10..1000`);
  const instead = { file: "io.weight", value: `${device}${ioWeight(weight)}`, field };
  return { file: "io.bfq.weight", value: `${device}${weight}`, field, instead };
}

function throttles(key: string, kind: string, devices: readonly ThrottleSpec[] = []): CgroupWrite[] {
  return devices.map(({ major, minor, rate }) => ({
    file: "io.max",
    value: `${major}:${minor} ${key}=${rate === 0 ? "max" : rate}`,
    field: `blockIO.throttle${kind}Device`,
  }));
}
