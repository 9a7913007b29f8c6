/** Encodes a protobuf field of wire type 2: a string, bytes or a message. */
export function bytesField(number: number, value: string | Buffer): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

/** Encodes a protobuf field of wire type 0: a non-negative integer, boolean or enum. */
export function numberField(number: number, value: number): Buffer {
  return Buffer.concat([varint(number << 3), varint(value)]);
}

const texts = (number: number, ...values: readonly string[]) => values.map((value) => bytesField(number, value));
const messages = (number: number, ...values: readonly (readonly Buffer[])[]) =>
  values.map((fields) => bytesField(number, Buffer.concat(fields)));

/** Encodes an oci.Process as a host sends it. */
export function processOf(...args: readonly string[]): Buffer {
  const sets = [1, 2, 3, 4, 5].flatMap((set) => texts(set, "CAP_CHOWN", "CAP_KILL", "CAP_SETUID"));
  return Buffer.concat([
    ...messages(3, [numberField(1, 0), numberField(2, 0)]),
    ...texts(4, ...args),
    ...texts(5, "PATH=/bin"),
    ...texts(6, "/"),
    ...messages(7, sets),
    ...messages(8, [...texts(1, "RLIMIT_NOFILE"), numberField(2, 1024), numberField(3, 1024)]),
    numberField(9, 1),
  ]);
}

/** Mounts that every host requests: destination, source, type, options. */
const MOUNTS = [
  ["/proc", "proc", "proc", "nosuid,noexec,nodev"],
  ["/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"],
  ["/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"],
  ["/dev/shm", "shm", "tmpfs", "nosuid,noexec,nodev,mode=1777,size=65536k"],
  ["/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"],
  ["/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"],
  ["/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro"],
] as const;

/** Encodes an oci.Spec with the messages that every container has, for a root file system at `root`. */
export function spec(root: string): Buffer {
  const mounts = MOUNTS.map(([destination, source, type, options]) => [
    ...texts(1, destination),
    ...texts(2, source),
    ...texts(3, type),
    ...texts(4, ...options.split(",")),
  ]);
  const devices = [
    [numberField(1, 0), ...texts(2, "a"), ...texts(5, "rwm")],
    [numberField(1, 1), ...texts(2, "c"), numberField(3, 1), numberField(4, 5), ...texts(5, "rwm")],
  ];
  const cpu = [numberField(1, 1024), numberField(2, 100_000), numberField(3, 100_000)];
  const resources = [...messages(1, ...devices), ...messages(2, [numberField(1, 2 ** 28)]), ...messages(3, cpu)];
  const namespaces = ["pid", "mount", "ipc", "uts", "cgroup"].map((type) => texts(1, type));
  const linux = [
    ...messages(4, resources),
    ...texts(5, "/warm-up/container"),
    ...messages(6, ...namespaces),
    ...texts(10, "/proc/kcore", "/proc/keys", "/sys/firmware"),
    ...texts(11, "/proc/bus", "/proc/sys"),
  ];
  return Buffer.concat([
    bytesField(1, "1.1.0"),
    bytesField(2, processOf("sh", "-c", "true")),
    ...messages(3, texts(1, root)),
    ...messages(5, ...mounts),
    ...messages(7, [...texts(1, "io.kubernetes.cri.container-type"), ...texts(2, "sandbox")]),
    ...messages(8, linux),
  ]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}
