# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# No untrue 304, and no strong tag for two contents, whatever is done to the
# files.  VLD_HOSTILE_SECONDS makes it longer.
use strict;
use warnings;
use Test::More;
use Vld::Test;
use Vld::Truth;

my $seconds = $ENV{VLD_HOSTILE_SECONDS} || 12;
my %how = (clients => $ENV{VLD_HOSTILE_CLIENTS},
    pause => $ENV{VLD_HOSTILE_PAUSE});

# Scan the tree all the time, as one who means well may do.
sub scan_on
{
    my ($server, $end) = @_;
    return unless module_loaded();
    until_then($end, 0.05, sub {
        Vld::Test::tool('scan', '--quiet', $server->docs);
    });
}

truth_test(%how, name => 'quick', what => 'with the quick handler',
    seconds => $seconds, conf => 'ValidatorsQuickHandler On');
truth_test(%how, name => 'scans', what => 'while the tree is scanned',
    seconds => $seconds * 0.6, conf => 'ValidatorsQuickHandler On',
    beside => [\&scan_on]);
truth_test(%how, name => 'fixups', what => 'by fixups',
    seconds => $seconds * 0.4, conf => '');
# Nobody has ever scanned: what the index has is the server's.
truth_test(%how, name => 'auto', what => 'while the server indexes',
    seconds => $seconds, conf => 'ValidatorsQuickHandler On', unscanned => 1);
truth_test(%how, name => 'auto-full',
    what => 'while it indexes, without prepared answers',
    seconds => $seconds * 0.4, conf => 'ValidatorsAnswers 0', unscanned => 1);
truth_test(%how, name => 'full', what => 'without prepared answers',
    seconds => $seconds * 0.4, conf => 'ValidatorsAnswers 0');
done_testing();
