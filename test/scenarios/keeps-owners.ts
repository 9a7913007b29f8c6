import { isRoot } from "../../lib/is-root.ts";

/**
 * False if the tests run without root: files on a share then all belong to the user who started the guest, and devices
 * are unsupported.
 */
export const keepsOwners = isRoot();
/** Suffix for names of tests that are skipped then. */
export const whyNoOwners = keepsOwners ? "" : " (skipped: needs root, for files with other owners on the share)";
