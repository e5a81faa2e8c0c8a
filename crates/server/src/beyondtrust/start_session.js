// Opens a support session from a page of another site: BG.start(BG.START_TYPE.CHAT, { issue: { codeName: 'support' } }).
// It opens a page of this server in a window of its own; nothing is embedded in the page that loads this script.
(function () {
  'use strict';
  var BG = (window.BG = window.BG || {});
  var script = document.currentScript;
  var from = script && script.src ? new URL(script.src, location.href) : location;
  var site = from.host;
  var protocol = from.protocol;
  var WINDOW = 'clickToChat';
  var SIZE = 'width=640,height=720,resizable=yes,scrollbars=yes';

  function isPlain(value) {
    return typeof value === 'string' || typeof value === 'number';
  }

  function copy(into, prefix, object, names) {
    if (!object || typeof object !== 'object') return;
    Object.keys(object).forEach(function (name) {
      var known = names ? names[name] : name;
      if (known && isPlain(object[name])) into[prefix + known] = String(object[name]);
    });
  }

  // Converts a page's options to the parameters that start a session.
  function parameters(options) {
    var fields = {};
    var key = options.sessionKey || options.session_key || options.shortKey || options.short_key;
    if (isPlain(key)) fields.short_key = String(key);
    copy(fields, '', options.rep, { id: 'id', name: 'name' });
    if (options.issue && typeof options.issue === 'object') {
      fields.issue_menu = '1';
      copy(fields, '', options.issue, { id: 'id', codeName: 'codeName', code_name: 'codeName' });
    }
    copy(fields, 'customer.', options.customer, {
      name: 'name',
      company: 'company',
      companyCode: 'company_code',
      company_code: 'company_code',
      details: 'details'
    });
    copy(fields, 'session.custom.', options.custom);
    copy(fields, 'session.custom.', options.session && options.session.custom);
    var external = options.externalKey || options.external_key;
    if (isPlain(external)) fields['session.custom.external_key'] = String(external);
    if (isPlain(options.locale)) fields.locale = String(options.locale);
    return fields;
  }

  // Posts a form, so that customers' texts stay out of addresses.
  function send(address, fields, target) {
    var form = document.createElement('form');
    form.method = 'post';
    form.action = address;
    form.target = target;
    form.acceptCharset = 'utf-8';
    form.style.display = 'none';
    Object.keys(fields).forEach(function (name) {
      var input = document.createElement('input');
      input.type = 'hidden';
      input.name = name;
      input.value = fields[name];
      form.appendChild(input);
    });
    document.body.appendChild(form);
    form.submit();
    document.body.removeChild(form);
  }

  function begin(host, scheme, options, chat, opened) {
    var fields = parameters(options);
    if (chat) fields.c2cjs = '1';
    // If the browser blocks the window, the session opens in this one.
    var there = opened || window.open('about:blank', WINDOW, chat ? SIZE : '');
    send(scheme + '//' + host + '/api/start_session', fields, there ? WINDOW : '_self');
    return true;
  }

  // For pages that contain the first half of the original's script and load the second from here.
  BG.createCore = function (loader) {
    var start = function (chat) {
      return function (options, opened) {
        return begin(loader.getHost(), loader.getProtocol(), options, chat, opened);
      };
    };
    return {
      setJQuery: function () {},
      startChatSession: start(true),
      startBrowserSession: start(true),
      startFullSession: start(false)
    };
  };
  if (typeof BG.start === 'function') return;

  BG.START_TYPE = { BROWSER: 1, CHAT: 2, FULL: 3 };
  BG.setSite = function (host) {
    site = String(host);
  };
  BG.setProtocol = function (name) {
    var wanted = String(name).trim().toLowerCase();
    if (wanted !== 'http' && wanted !== 'https') throw new Error('The protocol must be http or https.');
    protocol = wanted + ':';
  };
  BG.start = function (type, options) {
    var known = Object.keys(BG.START_TYPE).some(function (name) {
      return BG.START_TYPE[name] === type;
    });
    if (!known) throw new Error('The type must be one of BG.START_TYPE.');
    if (typeof options !== 'object' || options === null) throw new Error('The options must be an object.');
    return begin(site, protocol, options, type !== BG.START_TYPE.FULL);
  };
})();
