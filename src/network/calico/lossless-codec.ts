import { parse, stringify } from 'lossless-json';
import type { Codec } from '../../kube/client.ts';

/** JSON whose integers beyond 2^53 become bigints and are written back digit by digit: Calico's sequence numbers need it. */
export const losslessCodec: Codec = {
  parse: (text) => parse(text, undefined, (digits) => {
    const number = Number(digits);
    return Number.isInteger(number) && !Number.isSafeInteger(number) && /^-?\d+$/.test(digits) ? BigInt(digits) : number;
  }),
  stringify: (value) => stringify(value) ?? 'null',
};
