import { gunzipSync } from "node:zlib";

/**
 * Returns a compiled policy from checkpolicy 3.4 -U allow: everything without a rule is allowed. After the first three
 * lines its source has "sid NAME" for the kernel's first twelve sids, and at the end their contexts:
 * system_u:system_r:kernel_t for kernel, system_u:object_r:unlabeled_t for the others.
 *
 *     class process
 *     class capability
 *     class dir
 *     class process { transition dyntransition }
 *     class capability { chown }
 *     class dir { add_name }
 *     policycap nnp_nosuid_transition;
 *     type kernel_t;
 *     type unlabeled_t;
 *     type box_t;
 *     type data_t;
 *     role system_r;
 *     role system_r types { kernel_t box_t };
 *     allow kernel_t box_t : process transition;
 *     allow kernel_t self : capability chown;
 *     allow { kernel_t box_t } unlabeled_t : dir add_name;
 *     allow kernel_t data_t : dir add_name;
 *     user system_u roles { system_r };
 */
export function selinuxPolicy(): Buffer {
  return gunzipSync(Buffer.from(COMPILED, "base64"));
}

const COMPILED =
  "H4sIAAAAAAACA41TS07DMBC182ndtNyhvUk37NhxAMuJLWFInSpxRCNxBC7MCvKZwGASNCM9zeTlefLsjN8/3z4EY+zx/vhgXXs79XXSY+B2Pc4AzqY4Qj6zvxEjzM8crdW2FvCotJZOXcxCF7aFPOgiwBDXuipM09wBpTvna+Ua623lMtD/MEudM8hRYKxQV5Xb0vouBbZ4ql4XW8yGBFpe5c+m8LLGZ4JrgTbRdI03l0mLzzVC6zB/gJwA9oH11pUqN6XR0m/QzsbjVl5JL9CPGOLF1M6U0qfQcObz6ib93BnvDhy3a475ykQsTUgYkwneG+Rjn/hXHaE6GaupHt7w7+/iOAB4gNDPnqDJCJodQSMImi1BsyFoUoImIWhigiYiaDi6xvE/s0KJcP74Cr92k5IVXkD+Aj5P4F0KBQAA";
