// Stryker's mocha runner asks for files of mocha without their extension, which mocha 12 has renamed to `.cjs`. With this, Node
// tries that extension too. To be taken out with the first release that has https://github.com/stryker-mutator/stryker-js/pull/6205
const { Module } = require('node:module');

Module._extensions['.cjs'] = Module._extensions['.js'];
