/** How guestctl stands to one of docker's commands or options. */
export type Support =
  /** Supported by the same name, or as `as` says. */
  | { readonly isSupported: true; readonly as?: string }
  /** Refused; `instead` completes "not supported; …". */
  | { readonly isSupported: false; readonly instead: string };

/** By names as docker's help has them, such as "-v, --volume". */
export type SupportTable = Readonly<Record<string, Support>>;

/** Supported by the same name. */
export const same: Support = { isSupported: true };

/** Supported, with a remark: another name, or a difference. */
export const as = (text: string): Support => ({ isSupported: true, as: text });

export const no = (instead: string): Support => ({ isSupported: false, instead });
