/** Trailer of a signed module: include/linux/module_signature.h and kernel/module/signing.c of the kernel. */
const MAGIC = Buffer.from("~Module signature appended~\n");
/** struct module_signature; its last word is the length of the preceding signature, big endian. */
const DESCRIPTION = 12;

/** Returns a kernel module without its signature, if it has one. */
export function withoutSignature(module: Buffer): Buffer {
  const end = module.length - MAGIC.length - DESCRIPTION;
  if (end < 0 || !module.subarray(-MAGIC.length).equals(MAGIC)) return module;
  const content = end - module.readUInt32BE(end + DESCRIPTION - 4);
  return content < 0 ? module : module.subarray(0, content);
}
