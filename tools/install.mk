# SPDX-License-Identifier: GPL-2.0-only
#
# What the packages pvguest-guest and pvguest-host install, below DESTDIR; manuals and
# completions are made for it.
#
#   make -C tools install-guest install-host DESTDIR=DIR

DESTDIR ?=
UNITDIR ?= /lib/systemd/system
INSTALL := install -D -m 644
MAN := $(BUILD)/man

$(MAN)/%: man/%.scd
	@mkdir -p $(@D)
	scdoc < $< > $@

$(MAN)/pvhost.1: man/pvhost.1.sh $(PVHOST)
	@mkdir -p $(@D)
	man/pvhost.1.sh ./$(PVHOST) | scdoc > $@

$(BUILD)/completion.%: completion/generate $(PVHOST)
	@mkdir -p $(@D)
	completion/generate $* ./$(PVHOST) > $@

GUEST_MAN := pvguestd.8 $(patsubst man/%.scd,%,$(wildcard man/pvguest-*.scd))

docs: $(MAN)/pvhost.1 $(addprefix $(MAN)/,$(GUEST_MAN)) $(BUILD)/completion.bash \
	$(BUILD)/completion.zsh

install-guest: $(BUILD)/pvguestd $(addprefix $(MAN)/,$(GUEST_MAN))
	install -D -m 755 $(BUILD)/pvguestd $(DESTDIR)/usr/sbin/pvguestd
	for f in $(GUEST_MAN); do \
		$(INSTALL) $(MAN)/$$f $(DESTDIR)/usr/share/man/man$${f##*.}/$$f || exit; \
	done
	for f in $(wildcard pvguestd/profiles/*.conf); do \
		$(INSTALL) $$f $(DESTDIR)/usr/share/pvguest/profiles/$${f##*/} || exit; \
	done
	for f in $(wildcard pvguestd/*.service pvguestd/*.socket); do \
		$(INSTALL) $$f $(DESTDIR)$(UNITDIR)/$${f##*/} || exit; \
	done
	for f in $(wildcard pvguestd/*.rules); do \
		$(INSTALL) $$f $(DESTDIR)/usr/lib/udev/rules.d/$${f##*/} || exit; \
	done
	install -d -m 755 $(DESTDIR)/etc/pvguest/policy.d

install-host: $(PVHOST) $(MAN)/pvhost.1 $(BUILD)/completion.bash $(BUILD)/completion.zsh
	install -D -m 755 $(PVHOST) $(DESTDIR)/usr/bin/pvhost
	$(INSTALL) $(MAN)/pvhost.1 $(DESTDIR)/usr/share/man/man1/pvhost.1
	$(INSTALL) $(BUILD)/completion.bash \
		$(DESTDIR)/usr/share/bash-completion/completions/pvhost
	$(INSTALL) $(BUILD)/completion.zsh \
		$(DESTDIR)/usr/share/zsh/vendor-completions/_pvhost

.PHONY: docs install-guest install-host
