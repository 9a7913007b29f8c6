import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { realSysfs, type Sysfs } from "../sysfs.ts";

/** A machine's own /sys and /dev in a temporary directory. Paths are those of the machine. */
export class TestTree implements Sysfs {
  readonly #root: string;

  constructor() {
    this.#root = mkdtempSync(join(tmpdir(), "guestd-sysfs-"));
    onTestFinished(() => rmSync(this.#root, { recursive: true, force: true }));
    mkdirSync(join(this.#root, "dev"));
  }

  exists = (path: string): boolean => existsSync(join(this.#root, path));
  list = (path: string): string[] => readdirSync(join(this.#root, path));
  readText = (path: string): string => readFileSync(join(this.#root, path), "utf8");
  write = (path: string, text: string): Promise<void> => writeFile(join(this.#root, path), text);

  linkTarget = (path: string): string | undefined => realSysfs.linkTarget(join(this.#root, path));
  mode = (path: string): number | undefined => realSysfs.mode(join(this.#root, path));

  file(path: string, text = "", mode = 0o644): void {
    mkdirSync(dirname(join(this.#root, path)), { recursive: true });
    writeFileSync(join(this.#root, path), text, { mode });
  }

  link(path: string, target: string): void {
    const at = join(this.#root, path);
    mkdirSync(dirname(at), { recursive: true });
    symlinkSync(join(this.#root, target), at);
  }

  /** Adds a device on a PCI bus. With a secondary bus number, it is a bridge. */
  pci(address: string, bus?: string): string {
    const device = `/sys/devices/pci/${address}`;
    this.file(`${device}/${bus === undefined ? "vendor" : `pci_bus/${bus}/power`}`);
    this.link(`/sys/bus/pci/devices/${address}`, device);
    return device;
  }

  /** Adds a region of persistent memory. */
  region(name: string, address: string): void {
    this.file(`/sys/devices/ndbus0/${name}/resource`, `${address}\n`);
    this.link(`/sys/bus/nd/devices/${name}`, `/sys/devices/ndbus0/${name}`);
  }

  /** Adds a disk below the device that has it. */
  disk(parent: string, name: string, numbers: string, node = true): void {
    const device = `${parent}/block/${name}`;
    this.file(`${device}/dev`, `${numbers}\n`);
    this.link(`/sys/class/block/${name}`, device);
    this.link(`/sys/block/${name}`, device);
    if (node) this.file(`/dev/${name}`);
  }

  /** Adds a partition of a disk below a device. */
  partition(parent: string, disk: string, number: number, numbers: string): void {
    const device = `${parent}/block/${disk}/${disk}${number}`;
    this.file(`${device}/dev`, `${numbers}\n`);
    this.file(`${device}/partition`, `${number}\n`);
    this.link(`/sys/class/block/${disk}${number}`, device);
    this.file(`/dev/${disk}${number}`);
  }

  /** Adds a SCSI controller. */
  scsiHost(number: number, driver: string): void {
    this.file(`/sys/class/scsi_host/host${number}/scan`);
    this.file(`/sys/class/scsi_host/host${number}/proc_name`, `${driver}\n`);
  }

  /** Adds a disk of a SCSI controller, at HOST:CHANNEL:ID:LUN. */
  unit(address: string, name: string, numbers: string): void {
    const device = `/sys/devices/scsi/${address}`;
    this.disk(device, name, numbers);
    this.link(`/sys/bus/scsi/devices/${address}`, device);
  }
}

/** Returns a message as the kernel sends it. */
export function ueventMessage(action: string, devpath: string, subsystem: string): Buffer {
  const words = [`${action}@${devpath}`, `ACTION=${action}`, `DEVPATH=${devpath}`, `SUBSYSTEM=${subsystem}`];
  return Buffer.from(`${words.join("\0")}\0`);
}
