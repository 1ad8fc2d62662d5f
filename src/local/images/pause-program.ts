/** Where the program is mapped. */
const base = 0x400000n;
const headerBytes = 64 + 56;

/**
 * A static program for x86-64 Linux that ignores SIGCHLD, so that the kernel reaps orphans, and waits for ever:
 * rt_sigaction(SIGCHLD, {SIG_IGN}), then pause() in a loop. As process 1 it needs no handler to outlive SIGTERM.
 */
const code = Buffer.from(
  'b80d000000' + // mov eax, 13 (rt_sigaction)
  'bf11000000' + // mov edi, 17 (SIGCHLD)
  '488d3513000000' + // lea rsi, [rip+19] (the structure below)
  '31d2' + // xor edx, edx
  '41ba08000000' + // mov r10d, 8
  '0f05' + // syscall
  'b822000000' + // mov eax, 34 (pause)
  '0f05' + // syscall
  'ebf7' + // jmp to the second mov eax
  `01${'00'.repeat(31)}`, // struct sigaction {SIG_IGN}
  'hex',
);

/** The program as an ELF file of some 200 bytes: the least that a pod's sandbox can run. */
export function pauseProgram(): Buffer {
  const size = BigInt(headerBytes + code.length);
  const header = Buffer.alloc(headerBytes);
  header.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(62, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(base + BigInt(headerBytes), 24);
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt32LE(1, 64);
  header.writeUInt32LE(5, 68);
  header.writeBigUInt64LE(base, 80);
  header.writeBigUInt64LE(base, 88);
  header.writeBigUInt64LE(size, 96);
  header.writeBigUInt64LE(size, 104);
  header.writeBigUInt64LE(0x1000n, 112);
  return Buffer.concat([header, code]);
}
