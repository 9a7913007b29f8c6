import { AgentError, SystemError } from "../error.ts";
import type { MappedTarget } from "../kernel.ts";
import type { NativeAddon } from "./native-addon.ts";
import { checked } from "./sys-result.ts";

/** Constants of linux/dm-ioctl.h. */
const DEV_CREATE = 3;
const DEV_REMOVE = 4;
const DEV_SUSPEND = 6;
const TABLE_LOAD = 9;
const READ_ONLY = 1 << 0;
/** Flag: an open device is removed when it is closed. */
const DEFERRED_REMOVE = 1 << 17;
const HEAD_SIZE = 312;
const SPEC_SIZE = 40;
const MAX_NAME = 127;

/** Creates the calls for device-mapper devices; each is read-only and has one target. */
export function deviceMapperCalls(addon: Pick<NativeAddon, "deviceMapper">) {
  const ask = async (command: number, name: string, flags: number, target?: MappedTarget) =>
    addon.deviceMapper(command, mapperRequest(name, flags, target));

  async function unmapDevice(name: string) {
    const result = await ask(DEV_REMOVE, name, DEFERRED_REMOVE);
    // The device is already gone, or the kernel has no device mapper.
    if (!isErrno(result, "ENXIO") && !isErrno(result, "ENOENT")) checked(result, "remove device", name);
  }

  return {
    async mapDevice(name: string, target: MappedTarget): Promise<string> {
      const created = await ask(DEV_CREATE, name, READ_ONLY);
      if (isErrno(created, "ENOENT") || isErrno(created, "ENODEV")) {
        const what = `map device ${name}: the kernel has no device mapper`;
        throw new AgentError("failed-precondition", `${what}: for ours, build the initramfs with --with-verity`);
      }
      checked(created, "map device", name);
      try {
        checked(await ask(TABLE_LOAD, name, READ_ONLY, target), `load ${target.type} table of`, name);
        return `/dev/dm-${minorOf(checked(await ask(DEV_SUSPEND, name, 0), "resume device", name))}`;
      } catch (error) {
        await unmapDevice(name).catch(() => undefined);
        throw error;
      }
    },
    unmapDevice,
  };
}

/** Encodes a struct dm_ioctl, followed by a struct dm_target_spec with its parameters if there is a target. */
export function mapperRequest(name: string, flags: number, target?: MappedTarget): Buffer {
  if (name === "" || Buffer.byteLength(name) > MAX_NAME || /[/\0]/.test(name)) {
    throw new AgentError(
      "invalid-argument",
      `mapped device ${JSON.stringify(name.slice(0, 200))}: invalid name; use 1 to ${MAX_NAME} bytes without / and NUL`,
    );
  }
  const params = target === undefined ? Buffer.alloc(0) : Buffer.from(`${target.params}\0`);
  const size = HEAD_SIZE + (target === undefined ? 0 : SPEC_SIZE + Math.ceil(params.length / 8) * 8);
  const request = Buffer.alloc(size);
  request.writeUInt32LE(4, 0); // version 4.0.0 of the interface
  request.writeUInt32LE(size, 12);
  request.writeUInt32LE(HEAD_SIZE, 16);
  request.writeUInt32LE(flags, 28);
  request.write(name, 48);
  if (target !== undefined) {
    request.writeUInt32LE(1, 20);
    request.writeBigUInt64LE(BigInt(target.sectors), HEAD_SIZE + 8);
    request.writeUInt32LE(size - HEAD_SIZE, HEAD_SIZE + 20);
    request.write(target.type, HEAD_SIZE + 24, 15, "latin1");
    params.copy(request, HEAD_SIZE + SPEC_SIZE);
  }
  return request;
}

/** Returns the minor of a device number in the kernel's encoding: 12 bits of major inside the 20 bits of the minor. */
function minorOf(device: number): number {
  return (device & 0xff) | ((device >>> 12) & 0xfff00);
}

function isErrno(result: number, code: string): boolean {
  return result < 0 && new SystemError("", -result, "").code === code;
}
