/** False: files on a share are all the user's who started the guest, as without root they can be nobody else's, and no devices. */
export const keepsOwners = process.getuid?.() === 0;
/** For the names of what is left out then. */
export const whyNoOwners = keepsOwners ? "" : " (skipped: needs root, for files of other owners on the share)";
