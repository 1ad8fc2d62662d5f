import { event, IMAGE, once, ready, sh, waiting, ended, always, all, type ConformanceCase } from './conformance-case.ts';

/** Where images come from, and what is said when they do not. */
export const images: readonly ConformanceCase[] = [
  { name: 'image-present', spec: once(sh('true', { imagePullPolicy: 'IfNotPresent' })), until: ended },
  { name: 'image-never-missing', spec: once(sh('true', { image: 'localhost/none:1' })), until: waiting('ErrImageNeverPull') },
  { name: 'image-never-untagged', spec: once(sh('true', { image: 'localhost/none' })), until: waiting('ErrImageNeverPull') },
  { name: 'image-bad-name', spec: once(sh('true', { image: 'Bad Name:1' })), until: waiting('InvalidImageName') },
  { name: 'image-bad-upper', spec: once(sh('true', { image: 'localhost/UPPER/case:1' })), until: waiting('InvalidImageName') },
  { name: 'image-unreachable', spec: once(sh('true', { image: '127.0.0.1:9/none:1', imagePullPolicy: 'IfNotPresent' })), until: all(waiting('ImagePullBackOff'), event('BackOff')) },
  { name: 'image-always-unreachable', spec: once(sh('true', { image: '127.0.0.1:9/none', imagePullPolicy: 'Always' })), until: all(waiting('ImagePullBackOff'), event('BackOff')) },
  { name: 'image-init-unreachable', spec: once(sh('true'), { initContainers: [sh('true', { name: 'i', image: '127.0.0.1:9/none:1', imagePullPolicy: 'IfNotPresent' })] }), until: waiting('ImagePullBackOff', 'i') },
  { name: 'image-digest-missing', spec: once(sh('true', { image: `127.0.0.1:9/none@sha256:${'0'.repeat(64)}`, imagePullPolicy: 'IfNotPresent' })), until: waiting('ImagePullBackOff') },
  { name: 'image-secret-missing', spec: once(sh('true', { image: '127.0.0.1:9/none:1', imagePullPolicy: 'IfNotPresent' }), { imagePullSecrets: [{ name: 'absent' }] }), until: waiting('ImagePullBackOff') },
  { name: 'image-entrypoint', spec: always({ name: 'c', image: 'localhost/yadokari/pause:1', imagePullPolicy: 'Never' }), until: ready },
  { name: 'image-entrypoint-args', spec: once({ name: 'c', image: IMAGE, imagePullPolicy: 'Never', args: ['-c', 'echo args only'] }), until: ended },
];
