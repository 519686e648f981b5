# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# A configuration that is valid and does not do what it says is told to the
# administrator: by `httpd -t`, and once at start; one that does is not.
use strict;
use warnings;
use Test::More;
use Vld::Server ();
use Vld::Test;

plan skip_all => 'without the module there are no directives'
    unless module_loaded();

my $dir = top() . "/private/warnings-$$";
spew("$dir/good/x", '');
mkdir "$dir/open" or die $!;
chmod 01777, "$dir/open";

my $on = "ValidatorsEngine On\nValidatorsIndex $dir/good/validators.mdb\n";
my %wrong = (
    'an index that is a folder' => ["ValidatorsEngine On\nValidatorsIndex $dir",
        qr/ValidatorsIndex \S+: that is a folder: name a file in it/],
    'an index in no folder' => [
        "ValidatorsEngine On\nValidatorsIndex $dir/no/such/v.mdb",
        qr{there is no folder \S+/no, .*install -d -m 0755}],
    'an index in a folder that is open' => [
        "ValidatorsEngine On\nValidatorsIndex $dir/open/v.mdb",
        qr/everybody may write to the folder/],
    'a name that nothing has' => ["${on}ValidatorsVouchFor mod_nobody.c",
        qr/ValidatorsVouchFor mod_nobody\.c: no module/],
    'FileETag Digest' => ["${on}<Directory \"$dir\">\nFileETag Digest\n"
        . '</Directory>', qr/FileETag Digest \(\S+:\d+\) has httpd hash/],
    'FileETag +digest' => ["${on}FileETag INode +digest",
        qr/FileETag Digest \(\S+:\d+\)/],
    'the quick handler without the engine' => ['ValidatorsQuickHandler On',
        qr/ValidatorsQuickHandler On \(\S+:\d+\) does nothing without Val/],
    'the quick handler without answers' => [
        "${on}ValidatorsQuickHandler On\nValidatorsAnswers 0",
        qr/ValidatorsQuickHandler On \(\S+:\d+\) does nothing with ValidatorsAnswers 0/],
    'the quick handler without a time' => [
        "${on}ValidatorsQuickHandler On\nValidatorsAnswerTTL 0",
        qr/does nothing with ValidatorsAnswerTTL 0/],
    'indexing without the engine' => ['ValidatorsAutoIndex On',
        qr/ValidatorsAutoIndex On does nothing without ValidatorsEngine/],
);
for my $what (sort keys %wrong) {
    my ($lines, $warning) = @{$wrong{$what}};
    my ($status, $out) = try_config("$lines\n");
    is($status, 0, "$what: the configuration is valid") or diag($out);
    my @warnings = grep { /\[validators:/ } split /\n/, $out;
    is(scalar @warnings, 1, "$what: one warning") or diag($out);
    like($warnings[0] || '', $warning, "$what: that says what and where");
}
my %right = (
    'all that is right' => $on . "ValidatorsQuickHandler On\n"
        . "ValidatorsAutoIndex On 1G 1s\nFileETag MTime Size\n",
    'no engine' => "FileETag Digest\nValidatorsIndex $dir\n",
    'a module and a filter that are there' => "${on}ValidatorsVouchFor core.c "
        . "BYTERANGE\n",
    'a folder that is made at start' =>
        "ValidatorsEngine On\nValidatorsIndex $dir/new/v.mdb\n",
    'nothing early, and said so' => "${on}ValidatorsQuickHandler Off\n"
        . "ValidatorsAnswers 0\n",
);
for my $what (sort keys %right) {
    my ($status, $out) = try_config($right{$what});
    is($status, 0, "$what: valid") or diag($out);
    unlike($out, qr/\[validators:/, "$what: no warning");
}

my $server = Vld::Server->start(name => 'warnings', conf => sub { <<"END" });
ValidatorsVouchFor mod_nobody.c
<Directory "@{[$_[0]->docs]}">
    Require all granted
    ValidatorsEngine On
    FileETag Digest
</Directory>
END
is(scalar(grep { /mod_nobody/ } split /\n/, $server->error_log), 1,
    'at start a warning is logged once');
is(scalar(grep { /FileETag Digest/ } split /\n/, $server->error_log), 1,
    'and each of several is');
done_testing;
