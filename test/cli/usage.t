#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Test::More;

my @commands = qw(scan watch show list verify export import forget compact stat);

my $help = run('--help');
is($help->{exit}, 0, 'help exits with 0');
like($help->{out}, qr/^usage: htvalidators /, 'help begins with the usage');
like($help->{out}, qr/^  \Q$_\E\b/m, "help lists $_") for @commands;
is(run('help')->{out}, $help->{out}, 'help and --help say the same');
is($help->{err}, '', 'help writes nothing to standard error');
is((grep { length > 80 } lines($help->{out})), 0, 'help fits into 80 columns');

for my $command (@commands) {
    my $own = run('help', $command);
    is($own->{exit}, 0, "help $command exits with 0");
    like($own->{out}, qr/^usage: htvalidators $command/,
        "help $command has its usage");
    is(run($command, '--help')->{out}, $own->{out},
        "$command --help says the same as help $command");
    is(run('--help', $command)->{out}, $own->{out},
        "--help $command says the same as help $command");
}
ok(!-e $index, 'help makes no index');

like(run('--version')->{out}, qr/^htvalidators \d+\.\d+\.\d+$/,
    'the version is written');
is(run('stat', '--version')->{exit}, 0, 'the version is an option everywhere');

sub refused {
    my ($name, $message, @arguments) = @_;
    my $result = run(@arguments);
    is($result->{exit}, 2, "$name exits with 2");
    like($result->{err}, $message, "$name is explained");
    is($result->{out}, '', "$name writes nothing to standard output");
    is(scalar(lines($result->{err})), 1, "$name gives one line");
    like($result->{err}, qr/^htvalidators: /, "$name names the tool");
}

refused('no command', qr/which command/);
refused('an unknown command', qr/no command 'scna'/, 'scna');
refused('help for an unknown command', qr/no command 'x\\ny'/, 'help', "x\ny");
refused('an unknown long option', qr/option --frob is not known/,
    'scan', '--frob');
refused('an unknown short option', qr/option -z is not known/, 'list', '-z');
refused('an option of another command', qr/--sha256sum/, 'show',
    '--sha256sum', '/');
refused('an option without its argument', qr/-j needs an argument/, 'scan',
    '-j');
refused('scan without a path', qr/usage: htvalidators scan PATH/, 'scan');
refused('watch without a path', qr/usage: htvalidators watch PATH/, 'watch');
refused("watch -j $_", qr/from 1 to 256/, 'watch', '-j', $_, $site)
    for '0', '257', '';
refused("watch --interval $_", qr/seconds from 1 to 86400/, 'watch',
    '--interval', $_, $site)
    for '0', '86401', '-1', '', '1s';
refused('watch of a file', qr/not a folder/, 'watch', '/etc/passwd');
refused('show without a path', qr/usage: htvalidators show PATH/, 'show');
refused('forget without a prefix', qr/usage: htvalidators forget/, 'forget');
refused('list with two prefixes', qr/too many operands/, 'list', '/a', '/b');
refused('stat with an operand', qr/too many operands/, 'stat', '/a');
refused('an empty path', qr/empty path/, 'forget', '');
refused('an empty name of the index', qr/empty path/, 'stat', '-i', '');
refused('two formats at once', qr/not both/, 'list', '--json', '--sha256sum');
refused('verify with two prefixes', qr/too many operands/, 'verify', '/a',
    '/b');
refused('export with two prefixes', qr/too many operands/, 'export', '/a',
    '/b');
refused('import without a manifest', qr/usage: htvalidators import FILE/,
    'import');
refused('import of two', qr/too many operands/, 'import', '/a', '/b');
refused('verify of too many at once', qr/from 1 to 256/, 'verify', '-j',
    '257');
refused("-j $_", qr/from 1 to 256/, 'scan', '-j', $_, $site)
    for '0', '257', '-1', '', '2x', '99999999999999999999';
ok(!-e $index, 'what is refused makes no index');

make_files('a' => 'a');
for my $arguments (
    ['-i', $index, '--json', 'scan', $site],
    ['scan', $site, '--json', '-i', $index],
    ['scan', "--index=$index", '-j', '2', $site, '--json'],
    ['--json', 'scan', '-j2', "-i$index", '--', $site],
) {
    my $result = finished(background($tool, @{$arguments}));
    is($result->{exit}, 0, 'options may stand anywhere') or diag $result->{err};
    is(json($result->{out})->{seen}, 1, 'and are all understood');
}

spew("$work/-j", 'dash');
chdir $work or die;
is(run('scan', '--', '-j')->{exit}, 0, 'after -- names may begin with a dash');
chdir '/' or die;

for my $closed ('>&-', '2>&-', '<&- >&- 2>&-') {
    my $result = finished(background('sh', '-c',
            "exec '$tool' -i '$index' list $closed"));
    isnt($result->{exit}, 0, "list $closed notices that nothing was written")
        if $closed =~ /(?<!2)>&-/;
    is(run('list')->{exit}, 0, "list $closed leaves the index whole");
}

done_testing;
